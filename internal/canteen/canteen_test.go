package canteen_test

import (
	"testing"

	"gakushoku/internal/canteen"
)

func TestEveryViewShowsTheRowsOfAProjection(t *testing.T) {
	t.Parallel()
	for _, v := range canteen.Views() {
		d, err := canteen.Projections().Named(v.Projection)
		if err != nil || d.Streams != v.Kind.Prefix {
			t.Errorf("the view of %s shows streams %q, and the projection folds %q: %v", v.Projection, v.Kind.Prefix, d.Streams, err)
		}
		if v.NotFound == nil || v.Queries.Get == "" || (len(v.Values) > 0) != (v.Matches != nil) {
			t.Errorf("the view of %s is not whole", v.Projection)
		}
	}
}
