package emf

import (
	"math"
	"strconv"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxValues is how many values of one histogram are written at most. maxArray is the format's maximum per
// line.
const (
	maxValues = 1000
	maxArray  = 100
)

// number is a value with six significant digits.
type number float64

// MarshalJSON is json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(n), 'g', 6, 64), nil
}

// bucket holds values that count as equal.
type bucket struct {
	value float64
	count uint64
}

// valuesOf returns the values of a histogram in order, or maxValues evenly spaced ones.
func valuesOf(p metricdata.ExponentialHistogramDataPoint[float64]) []number {
	all := bucketsOf(p)
	n := min(p.Count, maxValues)
	values := make([]number, 0, n)
	below, at := uint64(0), 0 // below counts the values in the buckets before all[at]
	for k := range n {
		rank := uint64((float64(k) + 0.5) * float64(p.Count) / float64(n))
		for at < len(all)-1 && rank >= below+all[at].count {
			below += all[at].count
			at++
		}
		values = append(values, number(all[at].value))
	}
	if smallest, ok := p.Min.Value(); ok && n > 0 {
		values[0] = number(smallest)
	}
	if largest, ok := p.Max.Value(); ok && n > 1 {
		values[n-1] = number(largest)
	}
	return values
}

// bucketsOf returns the buckets, each with its geometric middle as the value. No meter has negative values.
func bucketsOf(p metricdata.ExponentialHistogramDataPoint[float64]) []bucket {
	var all []bucket
	if p.ZeroCount > 0 {
		all = append(all, bucket{0, p.ZeroCount})
	}
	smallest, _ := p.Min.Value()
	largest, _ := p.Max.Value()
	for i, count := range p.PositiveBucket.Counts {
		if count == 0 {
			continue
		}
		index := float64(int(p.PositiveBucket.Offset) + i)
		middle := math.Exp2((index + 0.5) * math.Exp2(-float64(p.Scale)))
		all = append(all, bucket{min(max(middle, smallest), largest), count})
	}
	return all
}
