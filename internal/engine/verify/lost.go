package verify

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// The reasons not to heal a missing row.
const (
	stillCounted = "totals count it still, or are wrong: healing it would count it twice, rebuild the projection"
	notCounted   = "a sample does not show whether totals count it: verify without a sample"
)

// lost decides which missing rows to heal. A row that live delivery has not yet written is in no total;
// healing adds it to both the table and the totals. A deleted row's contribution remains in the totals, and
// healing would add it again. The totals tell the two apart: a row is healed only if they equal the sum of
// the existing rows.
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
	// The expected totals include the contributions of the lost rows. Totals that equal the expected ones are
	// right.
	r.Totals = slices.DeleteFunc(r.Totals, func(total WrongTotal) bool { return total.Stored == total.Folded+lost[total.Key][total.Field] })
	for i := range r.Totals {
		r.Totals[i].Folded += lost[r.Totals[i].Key][r.Totals[i].Field]
	}
	return nil
}

// counted separates the missing rows that contribute to a total which does not equal the sum of the existing
// rows from the others, and adds their contributions to lost.
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

// settle records the outcome for each problem: that it was fixed, or why not.
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
