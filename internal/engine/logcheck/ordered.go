package logcheck

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// ordered produces items, works on several at once, and passes the results on one at a time, in the order of
// the items. It stops at the first error.
func ordered[T, R any](ctx context.Context, workers int, items func(ctx context.Context, next func(T) error) error, work func(context.Context, T) (R, error), take func(R) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers + 2) // in addition to the two below
	results := make(chan chan R, workers)
	group.Go(func() error {
		defer close(results)
		return items(ctx, func(item T) error {
			result := make(chan R, 1)
			select {
			case results <- result:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				r, err := work(ctx, item)
				if err == nil {
					result <- r
				}
				return err
			})
			return nil
		})
	})
	group.Go(func() error {
		for result := range results {
			select {
			case r := <-result:
				if err := take(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}
