package verify

import (
	"context"
	"encoding/json"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// askLog checks the streams against the log before they are healed from the event store. A row that is
// different at its own version makes the event store suspect, since its events once made another row. A row
// that is only late does not, and rebuilds, which meet late rows all the time, skip the check for them.
func (v *Verifier) askLog(ctx context.Context, wrong []Problem, ask func(*Problem) bool) error {
	var streams []string
	at := map[string]*Problem{}
	for i := range wrong {
		if p := &wrong[i]; p.healable() && p.Class != Extra && ask(p) {
			streams, at[p.Stream] = append(streams, p.Stream), p
		}
	}
	if v.Log == nil || len(streams) == 0 {
		return nil
	}
	differing, err := v.Log.Differing(ctx, v.Streams, streams)
	if err != nil && (fault.ClassOf(err) == fault.Infra || ctx.Err() != nil) {
		return err
	}
	for _, p := range at {
		if p.Class == Different && err != nil {
			p.Reason = "the log cannot tell whether the event store is right: " + err.Error()
		}
	}
	for stream, what := range differing {
		at[stream].Class, at[stream].Reason = Disputed, what
	}
	return nil
}

func isDifferent(p *Problem) bool { return p.Class == Different }

func anyProblem(*Problem) bool { return true }

// settleProblems heals the problems if Options.Fix is set, and adds them to a page.
func (p *pass) settleProblems(ctx context.Context, wrong []Problem, page *Findings) error {
	ask := isDifferent
	if p.options.Fix && p.options.keepMissing { // an operator repairs a whole table
		ask = func(problem *Problem) bool { return problem.Class != Missing }
	}
	if err := p.askLog(ctx, wrong, ask); err != nil {
		return err
	}
	if p.options.Fix {
		if err := p.fix(ctx, wrong, page); err != nil {
			return err
		}
	}
	for _, problem := range wrong {
		page.add(problem)
	}
	return nil
}

// fix heals streams and records for each whether that helped.
func (p *pass) fix(ctx context.Context, wrong []Problem, page *Findings) error {
	var streams, heal, empty []string
	at := map[string]*Problem{}
	for i := range wrong {
		if problem := &wrong[i]; problem.healable() && !(problem.Class == Missing && p.options.keepMissing) {
			streams = append(streams, problem.Stream)
			at[problem.Stream] = problem
			if problem.Class == Extra {
				empty = append(empty, problem.Stream)
			} else {
				heal = append(heal, problem.Stream)
			}
		}
	}
	if len(streams) == 0 {
		return nil
	}
	if err := p.touch(ctx, streams, at, page); err != nil {
		return err
	}
	if err := p.heal(ctx, heal, at, p.Projector.Heal); err != nil {
		return err
	}
	if err := p.heal(ctx, empty, at, p.Projector.Empty); err != nil {
		return err
	}
	looks, err := p.look(ctx, streams)
	if err != nil {
		return err
	}
	for i := range looks {
		l, problem := &looks[i], at[looks[i].row.Stream]
		l.late(problem.StreamVersion)
		problem.Fixed = l.class == ""
		if problem.moves() {
			page.touch(l.folds)
		}
	}
	return nil
}

// heal heals streams together. If that fails for another reason than infrastructure, it heals each stream
// alone, so that one that cannot be healed does not keep the others wrong.
func (p *pass) heal(ctx context.Context, streams []string, at map[string]*Problem, by func(context.Context, model.Projection, projection.Table, []string) error) error {
	err := by(ctx, p.definition, p.table, streams)
	if err == nil || fault.ClassOf(err) == fault.Infra {
		return err
	}
	for _, stream := range streams {
		err := by(ctx, p.definition, p.table, []string{stream})
		if err != nil && fault.ClassOf(err) == fault.Infra {
			return err
		}
		if err != nil {
			at[stream].Reason = err.Error()
		}
	}
	return nil
}

// moves reports whether healing takes back what a wrong row had added to totals. A stale row only moves them
// forward, as live delivery does.
func (p *Problem) moves() bool {
	return p.Class == Different || p.Class == Extra
}

// touch records the totals that wrong rows contribute to, before they are healed.
func (p *pass) touch(ctx context.Context, streams []string, at map[string]*Problem, page *Findings) error {
	rows, err := p.Tables.Records(ctx, p.table, streams)
	if err != nil {
		return err
	}
	for stream, row := range rows {
		if at[stream].moves() {
			page.touch(contributionsOf(p.definition, &row))
		}
	}
	return nil
}

func (f *Findings) touch(cs []model.Contribution) {
	for _, c := range cs {
		f.Touched.add(c.Key, c.Field, 1)
	}
}

// contributionsOf returns a stored row's contributions, or none if the row cannot be read, since healing then
// leaves totals alone.
func contributionsOf(d model.Projection, row *projection.Record) []model.Contribution {
	decoded := d.NewRow()
	if row.Version == 0 || json.Unmarshal(row.Data, decoded) != nil {
		return nil
	}
	return decoded.Contributions()
}
