package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Report is what a verification of a whole table has shown.
type Report struct {
	Table    string        `json:"table"`
	Sample   float64       `json:"sample,omitempty"` // of the streams that were compared; totals were not
	Rows     int64         `json:"rows"`
	Events   int64         `json:"events"`
	Streams  int64         `json:"streams"`
	Parked   int64         `json:"parked"`
	Counts   map[Class]int `json:"counts"`
	Fixed    map[Class]int `json:"fixed,omitempty"`
	Problems []Problem     `json:"problems,omitempty"` // the first hundred
	Checked  int           `json:"totalsChecked"`      // fields of totals that were compared
	Totals   []WrongTotal  `json:"totals,omitempty"`
	Counted  int           `json:"missingCounted,omitempty"` // rows that are missing, though totals have their share or are wrong: not to be healed
}

// WrongTotal is one field of a total that is not the sum of the folds' contributions; those of
// rows that are missing count where the total has their share, or is wrong anyway. Healing
// rows does not mend it: the projection has to be rebuilt.
type WrongTotal struct {
	Key    string `json:"key"`
	Field  string `json:"field"`
	Stored int64  `json:"stored"`
	Folded int64  `json:"folded"`
	// Settled says that it is sure. Before that, rows that moved may have caused it: see
	// Verifier.Settle.
	Settled bool `json:"settled"`
}

// Sound reports whether the table holds what the events say, after what was fixed.
func (r *Report) Sound() bool { return unfixed(r.Counts, r.Fixed) == 0 && len(r.Totals) == 0 }

// Mended is how many rows were fixed.
func (r *Report) Mended() (n int) {
	for _, fixed := range r.Fixed {
		n += fixed
	}
	return n
}

// Found is how many rows were not what they should be, those that were fixed among them.
func (r *Report) Found() (n int) {
	for _, count := range r.Counts {
		n += count
	}
	return n
}

// Conclude adds up what was found in all parts of a table, and compares the totals. before and
// after are the stored totals as they were before the first and after the last part: where live
// traffic has moved a total meanwhile, the folds' sum lies between. What does not fit is in
// the report, unsettled.
func Conclude(parts []*Findings, before, after map[string]map[string]int64) Report {
	all := newFindings("", 0)
	for _, part := range parts {
		all.merge(part)
	}
	sortProblems(all.Problems)
	r := Report{
		Rows: all.Rows, Events: all.Events, Streams: all.Streams, Parked: all.Parked,
		Counts: all.Counts, Fixed: all.Fixed, Problems: all.Problems,
	}
	if len(parts) == 0 {
		return r
	}
	r.Table, r.Sample = parts[0].Table, parts[0].Sample
	if 0 < r.Sample && r.Sample < 1 {
		return r
	}
	if len(parts) == 1 && parts[0].Exact != nil {
		before, after = parts[0].Exact, parts[0].Exact
	}
	r.compareTotals(all, before, after)
	return r
}

func (r *Report) compareTotals(all *Findings, before, after map[string]map[string]int64) {
	for _, name := range namesOf(all.Sums, before, after, all.Touched) {
		r.Checked++
		sum, a, b := all.Sums[name.key][name.field], before[name.key][name.field], after[name.key][name.field]
		if all.Touched[name.key][name.field] > 0 || sum < min(a, b) || sum > max(a, b) {
			r.Totals = append(r.Totals, WrongTotal{Key: name.key, Field: name.field, Stored: b, Folded: sum})
		}
	}
}

// totalName names one field of a total.
type totalName struct{ key, field string }

// namesOf are the fields of all these totals, in order.
func namesOf(all ...map[string]map[string]int64) []totalName {
	names := map[totalName]bool{}
	for _, sums := range all {
		for key, fields := range sums {
			for field := range fields {
				names[totalName{key, field}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(names), func(a, b totalName) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.field, b.field))
	})
}
