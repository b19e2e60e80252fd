package verify

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// Why a row that is missing is not healed.
const (
	stillCounted = "totals count it still, or are wrong: healing it would count it twice, rebuild the projection"
	notCounted   = "a sample does not show whether totals count it: verify without a sample"
)

// lost decides about rows that are missing. One that live delivery has not brought in is in no
// total, and healing it brings it into both. What one that was removed had added to totals is
// still there, and healing would add it once more. Totals tell them apart: a row is healed only
// where they are the sum of the rows that there are.
func (v *Verifier) lost(ctx context.Context, d model.Projection, t projection.Table, o Options, missing []Problem, r *Report) error {
	wrong := map[totalName]bool{}
	for _, total := range r.Totals {
		wrong[totalName{total.Key, total.Field}] = true
	}
	lost := Sums{}
	p := newPass(v, d, t, o)
	for some := range slices.Chunk(missing, pageSize) {
		counted, heal := []Problem(nil), some
		if len(wrong) > 0 {
			var err error
			if counted, heal, err = p.counted(ctx, some, wrong, lost); err != nil {
				return fmt.Errorf("looking for the share of missing rows in the totals of %s: %w", t, err)
			}
			r.settle(counted, stillCounted)
			r.Counted += len(counted)
		}
		switch {
		case !o.Fix:
		case p.sampled():
			r.settle(heal, notCounted)
		default:
			if err := v.askLog(ctx, heal, anyProblem); err != nil {
				return fmt.Errorf("asking the log about missing rows of %s: %w", t, err)
			}
			if err := p.fix(ctx, heal, newFindings("", 0)); err != nil {
				return fmt.Errorf("healing missing rows of %s: %w", t, err)
			}
			r.settle(heal, "")
		}
	}
	// What totals should be has the share of the lost rows in it. Those that have it are right.
	r.Totals = slices.DeleteFunc(r.Totals, func(total WrongTotal) bool { return total.Stored == total.Folded+lost[total.Key][total.Field] })
	for i := range r.Totals {
		r.Totals[i].Folded += lost[r.Totals[i].Key][r.Totals[i].Field]
	}
	return nil
}

// counted tells missing rows that count in a total which is not the sum of the rows that there
// are from the others, and adds up what those contribute.
func (p *pass) counted(ctx context.Context, missing []Problem, wrong map[totalName]bool, lost Sums) (counted, others []Problem, err error) {
	streams := make([]string, len(missing))
	for i := range missing {
		streams[i] = missing[i].Stream
	}
	histories, err := p.Streams.LoadMany(ctx, streams)
	if err != nil {
		return nil, nil, err
	}
	for _, problem := range missing {
		f := projection.FoldHistory(p.definition, histories[problem.Stream], p.now())
		contributions, is := f.Contributions(), false
		for _, c := range contributions {
			is = is || wrong[totalName{c.Key, c.Field}]
		}
		if !is {
			others = append(others, problem)
			continue
		}
		lost.addAll(contributions)
		counted = append(counted, problem)
	}
	return counted, others, nil
}

// settle notes what has become of problems: why they stay, or that they were fixed.
func (r *Report) settle(problems []Problem, reason string) {
	outcome := map[string]*Problem{}
	for i := range problems {
		if problems[i].Fixed {
			r.Fixed[problems[i].Class]++
		}
		if problems[i].Class == Disputed {
			r.Counts[Missing]--
			r.Counts[Disputed]++
		}
		outcome[problems[i].Stream] = &problems[i]
	}
	for i := range r.Problems {
		if o := outcome[r.Problems[i].Stream]; o != nil {
			r.Problems[i].Class, r.Problems[i].Fixed, r.Problems[i].Reason = o.Class, o.Fixed, reason+o.Reason
		}
	}
}
