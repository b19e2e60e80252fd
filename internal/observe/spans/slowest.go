package spans

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"time"
)

// Source is where operations were found.
type Source string

// The sources. Log lines have less detail than spans.
const (
	FromSpans Source = "spans"
	FromLog   Source = "log"
)

// Operation is a span with those within it.
type Operation struct {
	Span
	TraceURL string      `json:"traceUrl,omitempty"` // of a page that shows the trace
	OwnMs    float64     `json:"ownMs"`              // during which no child was running
	Children []Operation `json:"children,omitempty"`
}

// Slowest returns the slowest operations, slowest first, at most limit. It calls read twice, which passes
// every span to f, so that only the result is held in memory.
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

// Sort sorts operations, slowest first.
func Sort(operations []Operation) {
	slices.SortFunc(operations, func(a, b Operation) int { return -compare(&a.Span, &b.Span) })
}

// operation returns a span with its children, oldest first.
func operation(s Span, within map[string][]Span) Operation {
	parent := s.key() + s.SpanID
	children := within[parent]
	delete(within, parent) // a repeated span gets its children once, and a cycle ends
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

// ownMs returns how long a span took without its children. They are sorted by start; they may overlap, or
// end after it.
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

// compare sorts spans by duration; equal ones always come in the same order.
func compare(a, b *Span) int {
	return cmp.Or(cmp.Compare(a.DurationMs, b.DurationMs), -a.Timestamp.Time().Compare(b.Timestamp.Time()), strings.Compare(a.key()+a.SpanID, b.key()+b.SpanID))
}

// roots is a heap of the slowest operations, the fastest of them first.
type roots []Span

// offer adds a span if it is among the slowest.
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
