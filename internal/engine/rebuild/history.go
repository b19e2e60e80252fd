package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Past is what a run's blobs say about it.
type Past struct {
	Run    Run    `json:"run"`
	Ended  bool   `json:"ended"`
	Reason string `json:"reason,omitempty"` // why it failed

	// Set only while the run has not ended.
	Stage     Step          `json:"stage,omitempty"`    // the stage it is in, or was interrupted in
	AtWork    bool          `json:"atWork,omitempty"`   // it is being executed; the caller sets it
	SoakUntil event.Instant `json:"soakUntil,omitzero"` // when it drops the old version
}

// History returns up to limit runs of a projection, newest first.
func (e *Engine) History(ctx context.Context, name string, limit int) ([]Past, error) {
	ids, err := e.runIDs(ctx, name)
	if err != nil {
		return nil, err
	}
	slices.Reverse(ids) // run ids begin with their time
	pointer, err := e.Pointers.Pointer(ctx, name)
	if err != nil && !errors.Is(err, projection.ErrNoPointer) {
		return nil, err
	}
	past := make([]Past, 0, min(len(ids), limit))
	for _, id := range ids[:min(len(ids), limit)] {
		p, err := e.past(ctx, pointer, name, id)
		if err != nil {
			return nil, err
		}
		past = append(past, p)
	}
	return past, nil
}

// runIDs returns the ids of the runs that have left blobs, sorted.
func (e *Engine) runIDs(ctx context.Context, name string) ([]string, error) {
	prefix := (&Run{Projection: name}).key() + "/"
	var ids []string
	for after := ""; ; {
		// One key per run is enough; "~" sorts after everything in the run's folder.
		found, err := e.Blobs.List(ctx, prefix, after, 1)
		if err != nil {
			return nil, fmt.Errorf("listing the runs of %s: %w", name, err)
		}
		if len(found) == 0 {
			return ids, nil
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(found[0].Key, prefix), "/")
		ids = append(ids, id)
		after = prefix + id + "/~"
	}
}

func (e *Engine) past(ctx context.Context, pointer projection.Pointer, name, id string) (Past, error) {
	p := Past{Run: Run{ID: id, Projection: name}}
	var abandoned Abandoned
	err := e.get(ctx, p.Run.key("abandoned.json"), &abandoned)
	if err == nil {
		return Past{Run: abandoned.Run, Ended: true, Reason: abandoned.Reason}, nil
	}
	if !errors.Is(err, eventlog.ErrNoBlob) {
		return p, err
	}
	if err := e.get(ctx, p.Run.key("run.json"), &p.Run); err != nil && !errors.Is(err, eventlog.ErrNoBlob) {
		return p, err
	}
	p.Stage = stageAfter(&p.Run)
	for _, v := range pointer.Versions {
		if v.RunID == id && !p.Run.Switched() && (v.State == projection.Active || v.State == projection.Previous) {
			p.Run.SwitchedAt = v.Since // it was interrupted before it could store that
		}
	}
	// What an interrupted run still had to do after its switch may have been done by another run or an
	// operator.
	if p.Ended = p.Stage == "" || p.Run.Switched() && !p.Run.soaksIn(pointer); p.Ended {
		p.Stage = ""
		return p, nil
	}
	p.SoakUntil = e.SoakUntil(&p.Run)
	return p, nil
}
