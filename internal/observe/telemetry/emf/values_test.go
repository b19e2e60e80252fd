package emf_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPercentiles compares what is written with what was measured.
func TestPercentiles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 20, 100, 101, 1000, 1001, 20_000} {
		m := measure(t)
		var took []float64
		for range n {
			seconds := math.Exp(random.Float64()*math.Log(1e6)) * 1e-5 // from 10 microseconds to 10 seconds
			d := time.Duration(seconds * 1e9)
			took = append(took, d.Seconds())
			m.Projected(t.Context(), "orders", d)
		}
		var written []float64
		for _, l := range m.flush(t) {
			var parsed struct {
				Lag []float64 `json:"gakushoku.projection.lag"`
			}
			if err := json.Unmarshal([]byte(l), &parsed); err != nil {
				t.Fatal(err)
			}
			written = append(written, parsed.Lag...)
		}
		if len(written) != min(n, 1000) {
			t.Errorf("%d values of %d", len(written), n)
		}
		slices.Sort(took)
		slices.Sort(written)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			got := written[rank(q, len(written))]
			// The ranks of thinned values are right to half a step among them.
			low, high := rank(q-0.001, n), rank(q+0.001, n)
			if got < took[low]*0.988 || got > took[high]*1.012 {
				t.Errorf("of %d values p%g is %g, want %g to %g", n, q*100, got, took[low], took[high])
			}
		}
		if math.Abs(written[0]/took[0]-1) > 1e-5 || math.Abs(written[len(written)-1]/took[n-1]-1) > 1e-5 {
			t.Errorf("of %d values the ends are %g and %g, want %g and %g", n, written[0], written[len(written)-1], took[0], took[n-1])
		}
	}
}

func rank(q float64, n int) int { return min(max(int(q*float64(n-1)), 0), n-1) }
