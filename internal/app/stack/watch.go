package stack

import (
	"context"

	"gakushoku/internal/engine/rebuild"
)

// watch reports the progress of an execution: the service knows its state, and the blobs show which parts
// have reported.
type watch struct {
	*Stack
	projection, runID string
	report            func(rebuild.Progress)
	step              rebuild.Step
	parts             map[string]bool // those already reported
}

// look polls once.
func (w *watch) look(ctx context.Context) error {
	if w.report == nil {
		return nil
	}
	step, err := w.Machine.State(ctx, w.runID)
	if err != nil {
		return err
	}
	if step == rebuild.StepVerifyPart {
		step = rebuild.StepVerifyParts // the step that runs it
	}
	if step != w.step && step != "" {
		w.step, w.parts = step, map[string]bool{}
		w.report(rebuild.Progress{RunID: w.runID, Step: step})
	}
	if step != rebuild.StepReplay && step != rebuild.StepVerifyParts {
		return nil
	}
	parts, err := w.engine.PartsOf(ctx, w.projection, w.runID, step)
	if err != nil || len(parts) == 0 {
		return err
	}
	var total int64
	for _, p := range parts {
		total += p.Total
	}
	if len(w.parts) == 0 {
		w.report(rebuild.Progress{RunID: w.runID, Step: step, Total: total, Unit: parts[0].Unit})
	}
	for _, p := range parts {
		if p.Done > 0 && !w.parts[p.Part] {
			w.parts[p.Part] = true
			w.report(p)
		}
	}
	return nil
}
