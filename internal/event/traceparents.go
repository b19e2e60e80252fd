package event

import "iter"

// Traceparents returns the trace contexts of the requests that caused these events, in order, with
// repetitions and empty ones.
func Traceparents(events []Event) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range events {
			if !yield(events[i].Traceparent) {
				return
			}
		}
	}
}
