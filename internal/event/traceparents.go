package event

import "iter"

// Traceparents are the trace contexts of the requests that caused these events, in order and
// with repetitions, the empty ones included.
func Traceparents(events []Event) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range events {
			if !yield(events[i].Traceparent) {
				return
			}
		}
	}
}
