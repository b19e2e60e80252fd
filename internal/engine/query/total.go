package query

import "context"

// Total returns the sums of one total, such as those of a business day, by field; none for a bucket without
// rows.
func (s Queries) Total(ctx context.Context, bucket string) (map[string]int64, error) {
	return answer(ctx, s, s.View.Queries.Total, func(ctx context.Context) (total map[string]int64, err error) {
		if err := s.checkBucket(bucket); err != nil {
			return nil, &Error{CodeInvalidBucket, err.Error()}
		}
		_, err = s.read(ctx, func(a active) (err error) {
			total, err = s.Browser.Total(ctx, a.table, bucket)
			return err
		})
		return total, err
	})
}
