package verify

import (
	"slices"
	"strings"

	"gakushoku/internal/model"
)

// Class is a kind of difference between a row and its stream.
type Class string

// The classes:
//   - Stale: the row is right at its own version but lacks later events.
//   - Missing: there is no row.
//   - Extra: no events are known for the row's stream.
//   - Ahead: the row reflects more events than the event store has.
//   - Different: the row's contents are wrong at its own version.
//   - Broken: the stream itself lacks an event, so no row of it can be right.
//   - Disputed: the row is wrong by a stream for which the event store and the log do not have the same
//     events. Verification cannot tell which is right, so it leaves the row alone.
//
// Ahead and broken mean that the event store has lost events; healing would also lose what the row has from
// them.
const (
	Stale     Class = "stale"
	Missing   Class = "missing"
	Extra     Class = "extra"
	Ahead     Class = "ahead"
	Different Class = "different"
	Broken    Class = "broken"
	Disputed  Class = "disputed"
)

// Classes lists all classes.
var Classes = []Class{Stale, Missing, Extra, Ahead, Different, Broken, Disputed}

// Problem is one stream whose row is wrong.
type Problem struct {
	Class         Class   `json:"class"`
	Stream        string  `json:"stream"`
	RowVersion    uint64  `json:"rowVersion"`
	StreamVersion uint64  `json:"streamVersion"`
	Fields        []Field `json:"fields,omitempty"` // that differ at the row's own version
	Reason        string  `json:"reason,omitempty"`
	EventID       string  `json:"eventId,omitempty"` // id of the last event concerned
	CorrelationID string  `json:"correlationId,omitempty"`
	Fixed         bool    `json:"fixed,omitempty"`
}

// Field is one part of a row that differs: a top-level field of its JSON, or one of "place", "parked" and
// "data" (all of it). Long values are cut.
type Field struct {
	Name string `json:"name"`
	Row  string `json:"row"`  // as stored; "" if absent
	Fold string `json:"fold"` // as folded from the events
}

// healable reports whether folding the stream again may correct the row.
func (p *Problem) healable() bool {
	switch p.Class {
	case Ahead, Broken, Disputed:
		return false
	case Extra, Different:
		return p.Reason == ""
	}
	return true
}

// maxProblems bounds the problems that are described in detail; all are counted.
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

// Findings are the outcome of one part of a table.
type Findings struct {
	Table    string        `json:"table"`
	Sample   float64       `json:"sample,omitempty"`
	Rows     int64         `json:"rows"`    // rows compared
	Events   int64         `json:"events"`  // events folded
	Streams  int64         `json:"streams"` // streams looked up in the table
	Parked   int64         `json:"parked"`  // rows that are parked, as they should be
	Counts   map[Class]int `json:"counts"`
	Fixed    map[Class]int `json:"fixed,omitempty"` // of those, the healed ones
	Problems []Problem     `json:"problems,omitempty"`
	Sums     Sums          `json:"sums"` // the folds' contributions to totals
	// Exact are the stored totals as of the moment at which the rows were read; nil if the store cannot read
	// both at one moment.
	Exact Sums `json:"exact,omitempty"`
	// Touched are the totals that healing wrong rows has changed, so that they must be counted again.
	Touched Sums `json:"touched,omitempty"`
	// Comparison compares the rows with those of Options.Against.
	Comparison *Comparison `json:"comparison,omitempty"`

	missing []Problem // all of them, with only what healing needs
}

func newFindings(table string, sample float64) *Findings {
	return &Findings{Table: table, Sample: sample, Counts: map[Class]int{}, Fixed: map[Class]int{}, Sums: Sums{}, Touched: Sums{}}
}

// add counts a problem, and keeps it unless there are too many.
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

// keep keeps a problem for the detailed list. A fixed problem gives way to an unfixed one.
func (f *Findings) keep(p Problem) {
	if len(f.Problems) < maxProblems {
		f.Problems = append(f.Problems, p)
		return
	}
	if i := slices.IndexFunc(f.Problems, func(kept Problem) bool { return kept.Fixed }); i >= 0 && !p.Fixed {
		f.Problems[i] = p
	}
}

// merge adds the findings of another part or page.
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

// unfixed returns how many rows are still wrong.
func unfixed(counts, fixed map[Class]int) (n int) {
	for _, class := range Classes {
		n += counts[class] - fixed[class]
	}
	return n
}

// sortProblems sorts problems by class, then by stream.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.Class != b.Class {
			return slices.Index(Classes, a.Class) - slices.Index(Classes, b.Class)
		}
		return strings.Compare(a.Stream, b.Stream)
	})
}
