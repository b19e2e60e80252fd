package spans

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"time"
)

// Source is what operations were found in.
type Source string

// The sources: log lines know less than spans.
const (
	FromSpans Source = "spans"
	FromLog   Source = "log"
)

// Operation is a span with what happened within it.
type Operation struct {
	Span
	TraceURL string      `json:"traceUrl,omitempty"` // shows it
	OwnMs    float64     `json:"ownMs"`              // in which nothing within it was under way
	Children []Operation `json:"children,omitempty"`
}

// Slowest are the operations that took the longest, the slowest first, at most limit. read gives
// every span to f; it is called twice, so that only what is shown is held in memory.
func Slowest(limit int, read func(f func(*Span) error) error) ([]Operation, error) {
	slowest := &roots{}
	err := read(func(s *Span) error {
		if s.ParentID == "" {
			slowest.offer(*s, limit)
		}
		return nil
	})
	if err != nil || slowest.Len() == 0 {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, s := range *slowest {
		wanted[s.key()] = true
	}
	within := map[string][]Span{} // by trace and parent
	err = read(func(s *Span) error {
		if key := s.key() + s.ParentID; wanted[s.key()] && s.ParentID != "" {
			within[key] = append(within[key], *s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	operations := make([]Operation, 0, slowest.Len())
	for _, s := range *slowest {
		operations = append(operations, operation(s, within))
	}
	Sort(operations)
	return operations, nil
}

// Sort puts the slowest operation first.
func Sort(operations []Operation) {
	slices.SortFunc(operations, func(a, b Operation) int { return -compare(&a.Span, &b.Span) })
}

// operation is a span with what is within it, oldest first.
func operation(s Span, within map[string][]Span) Operation {
	parent := s.key() + s.SpanID
	children := within[parent]
	delete(within, parent) // a span that came twice has no children twice, and a circle an end
	slices.SortFunc(children, func(a, b Span) int {
		return cmp.Or(a.Timestamp.Time().Compare(b.Timestamp.Time()), strings.Compare(a.SpanID, b.SpanID))
	})
	children = slices.CompactFunc(children, func(a, b Span) bool { return a.SpanID == b.SpanID })
	o := Operation{Span: s, OwnMs: ownMs(&s, children)}
	for _, child := range children {
		o.Children = append(o.Children, operation(child, within))
	}
	return o
}

// ownMs is how long a span took without its children, which are sorted by when they began and
// may have been under way at the same time, or after it.
func ownMs(s *Span, children []Span) float64 {
	covered, at, end := time.Duration(0), s.Timestamp.Time(), s.end()
	for i := range children {
		from, to := children[i].Timestamp.Time(), children[i].end()
		if from.Before(at) {
			from = at
		}
		if to.After(end) {
			to = end
		}
		if to.After(from) {
			covered += to.Sub(from)
			at = to
		}
	}
	return max(0, s.DurationMs-float64(covered)/float64(time.Millisecond))
}

// compare says which of two spans took longer; the order of any two is the same each time.
func compare(a, b *Span) int {
	return cmp.Or(cmp.Compare(a.DurationMs, b.DurationMs), -a.Timestamp.Time().Compare(b.Timestamp.Time()), strings.Compare(a.key()+a.SpanID, b.key()+b.SpanID))
}

// roots is a heap of the slowest operations; the quickest of them is its first.
type roots []Span

// offer keeps a span if it is among the slowest.
func (r *roots) offer(s Span, limit int) {
	full := r.Len() == limit
	if full && compare(&s, &(*r)[0]) <= 0 || slices.ContainsFunc(*r, func(o Span) bool { return o.key() == s.key() && o.SpanID == s.SpanID }) {
		return
	}
	if full {
		(*r)[0] = s
		heap.Fix(r, 0)
		return
	}
	heap.Push(r, s)
}

// Len is heap.Interface.
func (r roots) Len() int { return len(r) }

// Less is heap.Interface.
func (r roots) Less(i, j int) bool { return compare(&r[i], &r[j]) < 0 }

// Swap is heap.Interface.
func (r roots) Swap(i, j int) { r[i], r[j] = r[j], r[i] }

// Push is heap.Interface.
func (r *roots) Push(x any) { *r = append(*r, x.(Span)) }

// Pop is heap.Interface.
func (r *roots) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}
