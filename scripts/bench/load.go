package main

import (
	"cmp"
	"fmt"
	"gakushoku/internal/rehearse/loadgen"
	"slices"
	"time"
)

// clientCounts are the numbers of concurrent clients.
var clientCounts = []int{1, 8, 32}

// load is the result of a load test: calls per second, and milliseconds per call.
type load struct{ rate, p50, p95 float64 }

// loadOf summarises the times, in milliseconds, of all calls of a measurement.
func loadOf(times []float64, d time.Duration) load {
	return load{float64(len(times)) / d.Seconds(), loadgen.Percentile(times, 50), loadgen.Percentile(times, 95)}
}

// medianLoad returns the median of each figure separately; all must not be empty.
func medianLoad(all []load) load {
	return load{
		rate: medianOf(all, func(l load) float64 { return l.rate }),
		p50:  medianOf(all, func(l load) float64 { return l.p50 }),
		p95:  medianOf(all, func(l load) float64 { return l.p95 }),
	}
}

func medianOf[T any, F cmp.Ordered](all []T, figure func(T) F) F {
	figures := make([]F, len(all))
	for i, one := range all {
		figures[i] = figure(one)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
