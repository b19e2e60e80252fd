package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Report is the outcome of verifying a whole table.
type Report struct {
	Table    string        `json:"table"`
	Sample   float64       `json:"sample,omitempty"` // share of the streams compared; totals were not
	Rows     int64         `json:"rows"`
	Events   int64         `json:"events"`
	Streams  int64         `json:"streams"`
	Parked   int64         `json:"parked"`
	Counts   map[Class]int `json:"counts"`
	Fixed    map[Class]int `json:"fixed,omitempty"`
	Problems []Problem     `json:"problems,omitempty"` // the first hundred
	Checked  int           `json:"totalsChecked"`      // number of fields of totals that were compared
	Totals   []WrongTotal  `json:"totals,omitempty"`
	Counted  int           `json:"missingCounted,omitempty"` // missing rows left alone because of the totals
}

// WrongTotal is one field of a total that does not equal the sum of the folds' contributions. A missing row's
// contribution counts if the total includes it, or is wrong anyway. Healing rows does not correct the total:
// the projection must be rebuilt.
type WrongTotal struct {
	Key    string `json:"key"`
	Field  string `json:"field"`
	Stored int64  `json:"stored"`
	Folded int64  `json:"folded"`
	// Settled reports whether the total is known to be wrong. Before that, rows written during the
	// verification may be the cause: see Verifier.Settle.
	Settled bool `json:"settled"`
}

// Sound reports whether the table matches the events, after what was fixed.
func (r *Report) Sound() bool { return unfixed(r.Counts, r.Fixed) == 0 && len(r.Totals) == 0 }

// Mended returns how many rows were fixed.
func (r *Report) Mended() (n int) {
	for _, fixed := range r.Fixed {
		n += fixed
	}
	return n
}

// Found returns how many rows were wrong, including those that were fixed.
func (r *Report) Found() (n int) {
	for _, count := range r.Counts {
		n += count
	}
	return n
}

// Conclude combines the findings of all parts of a table and compares the totals. before and after are the
// stored totals from before the first and after the last part: if live traffic moved a total in between, the
// folds' sum lies between them. The report contains totals that do not fit, unsettled.
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

// namesOf returns the sorted fields of all these totals.
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
