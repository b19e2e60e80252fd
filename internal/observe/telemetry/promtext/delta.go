package promtext

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Increases are by how much the series of a counter grew between two readings. One that was not
// there before began at 0, and one that is less than before began anew: the process is another.
func Increases(before, after []Sample, name string) []Sample {
	was := make(map[string]float64, len(before))
	for _, s := range before {
		if s.Name == name {
			was[s.ID] = s.Value
		}
	}
	var grown []Sample
	for _, s := range after {
		if s.Name != name {
			continue
		}
		if b := was[s.ID]; b <= s.Value {
			s.Value -= b
		}
		grown = append(grown, s)
	}
	return grown
}

// bucket is how many values were at most bound.
type bucket struct{ bound, count float64 }

// Quantile is a quantile of values between 0 and infinity that histograms have counted together,
// taken to be spread evenly within each bucket; false when there were none. The samples are
// those of the buckets.
func Quantile(q float64, samples []Sample) (float64, bool) {
	buckets := bucketsOf(samples)
	if len(buckets) == 0 || buckets[len(buckets)-1].count == 0 {
		return 0, false
	}
	rank := q * buckets[len(buckets)-1].count
	lower, below := 0.0, 0.0
	for _, b := range buckets {
		if b.count >= rank {
			if math.IsInf(b.bound, 1) {
				return b.bound, true // nobody counted how far above the last bound
			}
			return lower + (b.bound-lower)*(rank-below)/(b.count-below), true
		}
		lower, below = b.bound, b.count
	}
	return math.Inf(1), true
}

// bucketsOf adds up the buckets of several series, by bound.
func bucketsOf(samples []Sample) []bucket {
	counts := map[float64]float64{}
	for _, s := range samples {
		if bound, err := strconv.ParseFloat(s.Labels["le"], 64); err == nil {
			counts[bound] += s.Value
		}
	}
	var all []bucket
	for bound, count := range counts {
		all = append(all, bucket{bound, count})
	}
	slices.SortFunc(all, func(a, b bucket) int { return cmp.Compare(a.bound, b.bound) })
	return all
}
