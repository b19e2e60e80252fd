package scrape

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
)

// bucket counts the values that are at most bound.
type bucket struct{ bound, count float64 }

// Quantile estimates a quantile of the non-negative values that histograms counted together, assuming that
// values are spread evenly within each bucket. It returns false if there are no values. The result is
// infinite if it is above the last finite bound.
func Quantile(q float64, samples model.Vector) (float64, bool) {
	buckets := bucketsOf(samples)
	if len(buckets) == 0 || buckets[len(buckets)-1].count == 0 {
		return 0, false
	}
	rank := q * buckets[len(buckets)-1].count
	lower, below := 0.0, 0.0
	for _, b := range buckets {
		if b.count >= rank {
			if math.IsInf(b.bound, 1) {
				return b.bound, true
			}
			return lower + (b.bound-lower)*(rank-below)/(b.count-below), true
		}
		lower, below = b.bound, b.count
	}
	return math.Inf(1), true
}

// bucketsOf adds up the buckets of all series, sorted by bound.
func bucketsOf(samples model.Vector) []bucket {
	counts := map[float64]float64{}
	for _, s := range samples {
		if bound, err := strconv.ParseFloat(string(s.Metric[model.BucketLabel]), 64); err == nil {
			counts[bound] += float64(s.Value)
		}
	}
	var all []bucket
	for bound, count := range counts {
		all = append(all, bucket{bound, count})
	}
	slices.SortFunc(all, func(a, b bucket) int { return cmp.Compare(a.bound, b.bound) })
	return all
}
