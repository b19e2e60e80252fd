package rebuild

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/observe"
)

// VerifyItem is one part of the verification: an element of the list that the state machine maps over.
type VerifyItem struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

// verifyTotals holds the stored totals from before the first part was verified.
type verifyTotals map[string]map[string]int64

// verifiedPart is the blob with the outcome of one part.
type verifiedPart struct {
	Findings *verify.Findings `json:"findings"`
}

// VerifyReport is the blob with the complete report of a run's verification. It serves the decision to
// switch, and explains a failure.
type VerifyReport struct {
	RunID  string        `json:"runId"`
	Report verify.Report `json:"report"`
	Old    OldAgainstNew `json:"oldAgainstNew"`

	Changed []verify.Changed `json:"changed,omitempty"` // some of the changed rows
}

// StartVerify records the totals and divides the verification into parts.
func (e *Engine) StartVerify(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepStartVerify, func(run *Run) error {
		before, err := e.Tables.Totals(ctx, run.Table())
		if err != nil {
			return fmt.Errorf("reading the totals: %w", err)
		}
		if err := e.put(ctx, run.key("verify", "totals-before.json"), verifyTotals(before)); err != nil {
			return err
		}
		pointer, err := e.Pointers.Pointer(ctx, run.Projection)
		if err != nil {
			return err
		}
		if active, ok := pointer.ActiveVersion(); ok {
			run.FromVersion = active.Number // a rollback may have changed it since the start
		}
		run.Verify = &Verified{}
		count := max(1, e.Settings.VerifyParts)
		for i := range count {
			run.Verify.Parts = append(run.Verify.Parts, VerifyItem{i, count})
		}
		return nil
	})
}

func (e *Engine) verifier() *verify.Verifier {
	return &verify.Verifier{
		Tables: e.Tables, Streams: e.Streams, Log: e.Log, Projector: e.Projector, LagBound: e.Settings.LagBound,
		Workers: e.Settings.Workers, Now: e.Now, Sleep: e.Sleep,
	}
}

// VerifyPart folds every stream of a part from the event store and compares it with its row. It heals and
// counts rows that live delivery has not updated within the lag bound. It also compares the rows with those
// of the old version.
func (e *Engine) VerifyPart(ctx context.Context, run Run, item VerifyItem) (VerifyItem, error) {
	ctx, span := observe.Start(e.context(ctx, &run), "reproject.VerifyPart", observe.Internal)
	defer span.Str(observe.AttrRun, run.ID).Int("gakushoku.part", item.Index).End()
	if err := e.verifyPart(ctx, &run, item); err != nil {
		span.Failed(err)
		return item, fmt.Errorf("verifying part %d of run %s: %w", item.Index, run.ID, err)
	}
	return item, nil
}

func (e *Engine) verifyPart(ctx context.Context, run *Run, item VerifyItem) error {
	d, err := e.definition(run.Projection, run.Revision)
	if err != nil {
		return err
	}
	part := eventstore.Part{Index: item.Index, Count: item.Count}
	if item.Count == 1 {
		part = eventstore.All
	}
	folded := int64(0)
	found, err := e.verifier().Rows(ctx, d, run.Table(), verify.Options{
		Part: part, Fix: true, Sample: run.Request.Sample, Against: &projection.Table{Projection: run.Projection, Version: run.FromVersion},
		Progress: func(p verify.Progress) {
			observe.MetricsOf(ctx).Folded(ctx, run.Projection, string(StepVerify), p.Events-folded)
			folded = p.Events
			e.progress(e.verifying(run, item, min(p.Rows, e.share(run, item)-1)))
		},
	})
	if err != nil {
		return err
	}
	if err := e.put(ctx, verifyKey(run, item), verifiedPart{found}); err != nil {
		return err
	}
	e.progress(e.verifying(run, item, e.share(run, item)))
	return nil
}

// verifying is the progress of a part, which is not complete until its findings are stored.
func (e *Engine) verifying(run *Run, item VerifyItem, rows int64) Progress {
	return Progress{RunID: run.ID, Step: StepVerifyParts, Part: fmt.Sprintf("v%02d", item.Index), Done: rows, Total: e.share(run, item), Unit: "rows"}
}

// share estimates the number of rows in a part.
func (e *Engine) share(run *Run, item VerifyItem) int64 {
	if run.Replay == nil {
		return 1
	}
	return max(1, run.Replay.Rows/int64(item.Count))
}

func verifyKey(run *Run, item VerifyItem) string {
	return run.key("verify", fmt.Sprintf("part-%d-of-%d.json", item.Index+1, item.Count))
}

// Verify combines the parts and compares the totals. Rows that live delivery had not yet written are healed
// by then. It fails with ErrFailed if the new version does not match the events.
func (e *Engine) Verify(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepVerify, func(run *Run) error {
		d, err := e.definition(run.Projection, run.Revision)
		if err != nil {
			return err
		}
		found, err := e.conclude(ctx, run)
		if err != nil {
			return err
		}
		if err := e.verifier().Settle(ctx, d, run.Table(), &found.Report); err != nil {
			return err
		}
		run.Verify = verified(run, &found.Report, found.Old)
		observe.MetricsOf(ctx).Verified(ctx, run.Projection, run.Verify.Sound)
		if err := e.put(ctx, run.Verify.Report, found); err != nil {
			return err
		}
		return judge(run, &found.Report)
	})
}

// conclude combines the findings of the parts.
func (e *Engine) conclude(ctx context.Context, run *Run) (VerifyReport, error) {
	all := VerifyReport{RunID: run.ID}
	var findings []*verify.Findings
	for _, item := range run.Verify.Parts {
		var part verifiedPart
		if err := e.get(ctx, verifyKey(run, item), &part); err != nil {
			return all, err
		}
		findings = append(findings, part.Findings)
		if c := part.Findings.Comparison; c != nil {
			all.Old.add(c)
			all.Changed = append(all.Changed, c.Examples...)
		}
	}
	var before verifyTotals
	if err := e.get(ctx, run.key("verify", "totals-before.json"), &before); err != nil {
		return all, err
	}
	after, err := e.Tables.Totals(ctx, run.Table())
	if err != nil {
		return all, fmt.Errorf("reading the totals: %w", err)
	}
	all.Report = verify.Conclude(findings, before, after)
	return all, nil
}

func (o *OldAgainstNew) add(c *verify.Comparison) {
	if o.Unreadable != "" {
		return
	}
	o.Same += c.Same
	o.Changed += c.Changed
	o.OnlyOld += c.OnlyOld
	o.OnlyNew += c.OnlyNew
	o.Moving += c.Moving
	if c.Unreadable != "" {
		*o = OldAgainstNew{Unreadable: c.Unreadable}
	}
	for i := range c.Examples {
		if len(o.Sample) < maxSample {
			o.Sample = append(o.Sample, sampleOf(&c.Examples[i]))
		}
	}
}

// sampleOf describes a changed row briefly.
func sampleOf(c *verify.Changed) string {
	var fields []string
	for _, f := range c.Fields {
		fields = append(fields, fmt.Sprintf("%s %s is now %s", f.Name, orNothing(f.Old), orNothing(f.New)))
	}
	text := []rune(c.Stream + ": " + strings.Join(fields, ", "))
	const limit = 200 // keeps the run small
	if len(text) > limit {
		return string(text[:limit]) + "..."
	}
	return string(text)
}

func orNothing(text string) string {
	if text == "" {
		return "(nothing)"
	}
	return text
}

// late are the classes of rows that live delivery had yet to write, because of an event between the end of
// the log and Join. They are healed and do not stop a run.
var late = []verify.Class{verify.Stale, verify.Missing}

func verified(run *Run, report *verify.Report, old OldAgainstNew) *Verified {
	v := &Verified{
		Report: run.key("report.json"), Parts: run.Verify.Parts, Rows: report.Rows, Streams: report.Streams, Events: report.Events,
		Parked: report.Parked, WrongTotals: len(report.Totals), Old: old,
	}
	found := int64(report.Found())
	for _, class := range late {
		v.Healed += int64(report.Fixed[class])
	}
	v.Different = found - v.Healed
	v.Sound = v.Different == 0 && v.WrongTotals == 0 && v.Parked <= int64(run.Request.AllowParked)
	return v
}

// judge returns an error if readers must not be switched to the run's version.
func judge(run *Run, report *verify.Report) error {
	v := run.Verify
	if v.Sound {
		return nil
	}
	var reasons []string
	if v.Different > 0 {
		reasons = append(reasons, fmt.Sprintf("%d rows are not what the events say", v.Different))
		reasons = append(reasons, wrongRows(report.Problems)...)
	}
	if v.WrongTotals > 0 {
		reasons = append(reasons, fmt.Sprintf("%d totals are not the sum of their rows", v.WrongTotals))
	}
	if v.Parked > int64(run.Request.AllowParked) {
		reasons = append(reasons, fmt.Sprintf("%d streams are parked, %d are allowed (allowParked)", v.Parked, run.Request.AllowParked))
	}
	return failed("%s; the report is %s", strings.Join(reasons, "; "), v.Report)
}

// wrongRows names some of the rows that stop a run. Rows that live delivery had yet to write do not stop it
// once they are healed; a row that was replayed wrongly does, even if it has been healed.
func wrongRows(problems []verify.Problem) (named []string) {
	for _, p := range problems {
		switch {
		case len(named) == maxSample:
			return named
		case p.Fixed && slices.Contains(late, p.Class):
		case p.Fixed:
			named = append(named, fmt.Sprintf("%s was replayed wrongly (verification has put it right, but others may be wrong)", p.Stream))
		default:
			named = append(named, fmt.Sprintf("%s is %s", p.Stream, p.Class))
		}
	}
	return named
}
