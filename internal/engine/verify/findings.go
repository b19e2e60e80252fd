package verify

import (
	"slices"
	"strings"

	"gakushoku/internal/model"
)

// Class is a kind of difference between a row and its stream.
type Class string

// The classes. A row that is right at its own version but behind is stale, one that is not
// there is missing, one whose stream nobody knows events of is extra, one that reflects more events
// than the event store has is ahead, one that says something else at its own version is different, and broken
// is a stream that lacks an event itself: no row of it can be right. Ahead and broken mean that the
// event store has lost events; healing would lose what they were in the row too. Disputed is a row
// that is wrong by a stream of which the store and the log do not have the same events: nobody
// knows here which of them is right, so the row is left alone.
const (
	Stale     Class = "stale"
	Missing   Class = "missing"
	Extra     Class = "extra"
	Ahead     Class = "ahead"
	Different Class = "different"
	Broken    Class = "broken"
	Disputed  Class = "disputed"
)

// Classes are all of them.
var Classes = []Class{Stale, Missing, Extra, Ahead, Different, Broken, Disputed}

// Problem is one stream whose row is not what it should be.
type Problem struct {
	Class         Class   `json:"class"`
	Stream        string  `json:"stream"`
	RowVersion    uint64  `json:"rowVersion"`
	StreamVersion uint64  `json:"streamVersion"`
	Fields        []Field `json:"fields,omitempty"` // that differ at the row's own version
	Reason        string  `json:"reason,omitempty"`
	EventID       string  `json:"eventId,omitempty"` // of the last event concerned
	CorrelationID string  `json:"correlationId,omitempty"`
	Fixed         bool    `json:"fixed,omitempty"`
}

// Field is one part of a row that differs: a top-level field of its JSON, or one of "place",
// "parked" and "data" (all of it). Long values are cut.
type Field struct {
	Name string `json:"name"`
	Row  string `json:"row"`  // as it is stored; "" when it is not there
	Fold string `json:"fold"` // as the events say
}

// healable reports whether folding the stream anew may put the row right.
func (p *Problem) healable() bool {
	switch p.Class {
	case Ahead, Broken, Disputed:
		return false
	case Extra, Different:
		return p.Reason == ""
	}
	return true
}

// maxProblems bounds the problems that are told in detail; all are counted.
const maxProblems = 100

// Sums are amounts by key and field, such as a day's totals.
type Sums map[string]map[string]int64

func (s Sums) add(key, field string, amount int64) {
	if s[key] == nil {
		s[key] = map[string]int64{}
	}
	s[key][field] += amount
}

func (s Sums) addAll(cs []model.Contribution) {
	for _, c := range cs {
		s.add(c.Key, c.Field, c.Amount)
	}
}

func (s Sums) merge(other map[string]map[string]int64) {
	for key, fields := range other {
		for field, amount := range fields {
			s.add(key, field, amount)
		}
	}
}

// Findings is what came of one part of a table.
type Findings struct {
	Table    string        `json:"table"`
	Sample   float64       `json:"sample,omitempty"`
	Rows     int64         `json:"rows"`    // compared
	Events   int64         `json:"events"`  // folded
	Streams  int64         `json:"streams"` // looked for in the table
	Parked   int64         `json:"parked"`  // rows whose stream is set aside, as it must be
	Counts   map[Class]int `json:"counts"`
	Fixed    map[Class]int `json:"fixed,omitempty"` // of those, healed
	Problems []Problem     `json:"problems,omitempty"`
	Sums     Sums          `json:"sums"` // what the folds contribute to totals
	// Exact are the stored totals of the very moment at which the rows were read; nil when the
	// store cannot tell.
	Exact Sums `json:"exact,omitempty"`
	// Touched are the totals that healing wrong rows has changed: they have to be counted anew.
	Touched Sums `json:"touched,omitempty"`
	// Comparison is with the rows of Options.Against.
	Comparison *Comparison `json:"comparison,omitempty"`

	missing []Problem // all of them, with no more than healing needs
}

func newFindings(table string, sample float64) *Findings {
	return &Findings{Table: table, Sample: sample, Counts: map[Class]int{}, Fixed: map[Class]int{}, Sums: Sums{}, Touched: Sums{}}
}

// add counts a problem, and keeps it while there are few.
func (f *Findings) add(p Problem) {
	f.Counts[p.Class]++
	if p.Fixed {
		f.Fixed[p.Class]++
	}
	f.keep(p)
	if p.Class == Missing && !p.Fixed {
		f.missing = append(f.missing, Problem{Class: Missing, Stream: p.Stream, StreamVersion: p.StreamVersion})
	}
}

// keep keeps a problem to be told in detail. One that is fixed makes room for one that is not.
func (f *Findings) keep(p Problem) {
	if len(f.Problems) < maxProblems {
		f.Problems = append(f.Problems, p)
		return
	}
	if i := slices.IndexFunc(f.Problems, func(kept Problem) bool { return kept.Fixed }); i >= 0 && !p.Fixed {
		f.Problems[i] = p
	}
}

// merge adds what another part, or page, has found.
func (f *Findings) merge(other *Findings) {
	f.Rows += other.Rows
	f.Events += other.Events
	f.Streams += other.Streams
	f.Parked += other.Parked
	for class, n := range other.Counts {
		f.Counts[class] += n
	}
	for class, n := range other.Fixed {
		f.Fixed[class] += n
	}
	for _, p := range other.Problems {
		f.keep(p)
	}
	f.Sums.merge(other.Sums)
	f.Touched.merge(other.Touched)
	f.missing = append(f.missing, other.missing...)
}

func (f *Findings) problems() (n int64) {
	for _, count := range f.Counts {
		n += int64(count)
	}
	return n
}

// unfixed is how many rows are still not what they should be.
func unfixed(counts, fixed map[Class]int) (n int) {
	for _, class := range Classes {
		n += counts[class] - fixed[class]
	}
	return n
}

// sortProblems brings those of one class together, in the order of their streams.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.Class != b.Class {
			return slices.Index(Classes, a.Class) - slices.Index(Classes, b.Class)
		}
		return strings.Compare(a.Stream, b.Stream)
	})
}
