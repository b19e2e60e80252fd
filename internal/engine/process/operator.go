package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// Waiting is a row of the active table version and the step that it waits for.
type Waiting struct {
	Process string          `json:"process"`
	Stream  string          `json:"stream"`
	Version uint64          `json:"version"`
	Task    projection.Task `json:"task"`
}

// Shown is what is known about one stream of a process: its row, and the fold of the event store, which is
// what counts.
type Shown struct {
	Process    string           `json:"process"`
	Table      string           `json:"table"`
	Stream     string           `json:"stream"`
	Version    uint64           `json:"version"`        // of the stream's last event
	Next       *model.Task      `json:"next,omitempty"` // nil: it rests
	CallID     string           `json:"callId,omitempty"`
	State      json.RawMessage  `json:"state"`                // the fold
	RowVersion uint64           `json:"rowVersion,omitempty"` // less than Version while the projector is behind
	Task       *projection.Task `json:"task,omitempty"`       // of the row, with what was tried
}

// Operator is what people on call do with one process.
type Operator struct {
	Ports
	Rows projection.Tables
	// Undo records on a stream, which has this version, that the process is to undo what it did; nil if the
	// process cannot be told.
	Undo func(ctx context.Context, stream string, version uint64) error
}

// Errors of an Operator's calls.
var (
	ErrNoSuch     = refusal{"process/unknown", "the process has no such stream"}
	errRests      = refusal{"process/rests", "the process rests: it waits for nothing"}
	errCannotUndo = refusal{"process/cannot-undo", "the process cannot be told to undo what it did"}
)

type refusal struct{ code, text string }

func (r refusal) Error() string      { return r.text }
func (r refusal) DomainCode() string { return r.code }

// List calls f with the rows that wait for a step, only the stuck ones if told so, the longest due first
// within each of the store's shards.
func (o *Operator) List(ctx context.Context, stuckOnly bool, f func(Waiting) error) error {
	t, _, err := o.active(ctx)
	if errors.Is(err, projection.ErrNoPointer) {
		return nil
	}
	if err != nil {
		return err
	}
	lists := []func(ctx context.Context, cursor string) ([]projection.Record, string, error){
		func(ctx context.Context, cursor string) ([]projection.Record, string, error) {
			return o.Tables.Stuck(ctx, t, cursor, pageSize)
		},
	}
	if !stuckOnly {
		lists = append(lists, func(ctx context.Context, cursor string) ([]projection.Record, string, error) {
			return o.Tables.Due(ctx, t, event.InstantOf(o.Now().AddDate(100, 0, 0)), cursor, pageSize)
		})
	}
	for _, list := range lists {
		for cursor, more := "", true; more; more = cursor != "" {
			page, next, err := list(ctx, cursor)
			if err != nil {
				return fmt.Errorf("listing the tasks of %s: %w", t, err)
			}
			for _, r := range page {
				if err := f(Waiting{o.Name(), r.Stream, r.Version, *r.Task}); err != nil {
					return err
				}
			}
			cursor = next
		}
	}
	return nil
}

// row returns a stream's row in the active table version.
func (o *Operator) row(ctx context.Context, stream string) (projection.Table, model.Process, projection.Record, error) {
	t, d, err := o.active(ctx)
	if err != nil {
		return t, d, projection.Record{}, err
	}
	rows, err := o.Rows.Records(ctx, t, []string{stream})
	if err != nil {
		return t, d, projection.Record{}, fmt.Errorf("reading the row of %s: %w", stream, err)
	}
	return t, d, rows[stream], nil
}

// Show returns where a stream stands.
func (o *Operator) Show(ctx context.Context, stream string) (Shown, error) {
	t, d, row, err := o.row(ctx, stream)
	if err != nil {
		return Shown{}, err
	}
	s, err := o.stand(ctx, d, stream, nil)
	if err != nil {
		return Shown{}, err
	}
	if !d.Folds(stream) || s.fold.Version == 0 {
		return Shown{}, ErrNoSuch
	}
	shown := Shown{
		Process: o.Name(), Table: t.String(), Stream: stream, Version: s.fold.Version,
		State: json.RawMessage(s.fold.Record(stream, 0).Data), RowVersion: row.Version, Task: row.Task,
	}
	if s.waits {
		shown.Next, shown.CallID = &s.task, callID(o.Name(), stream, s.fold.Version, s.task.Step)
	}
	return shown, nil
}

// maxRedrives bounds the tries of Redrive while workers record attempts.
const maxRedrives = 10

// Redrive forgets what was tried of a stream's step, so that a worker takes it at once.
func (o *Operator) Redrive(ctx context.Context, stream string) (Waiting, error) {
	for range maxRedrives {
		t, _, row, err := o.row(ctx, stream)
		switch {
		case err != nil:
			return Waiting{}, err
		case row.Version == 0:
			return Waiting{}, ErrNoSuch
		case row.Task == nil:
			return Waiting{}, errRests
		}
		set, err := o.Tables.SetTried(ctx, t, row, projection.Tried{})
		if err != nil {
			return Waiting{}, fmt.Errorf("redriving %s: %w", stream, err)
		}
		if set {
			observe.Logger(ctx).Info().Str(observe.FieldProcess, o.Name()).Str(observe.FieldStep, row.Task.Step).Str(observe.FieldStream, stream).
				Uint64(observe.FieldVersion, row.Version).Int("attempts", row.Task.Attempts).Msg("process:redrive")
			return Waiting{o.Name(), stream, row.Version, projection.Task{Task: row.Task.Task}}, nil
		}
	}
	return Waiting{}, fault.Unavailable(fmt.Errorf("redriving %s: workers kept trying it", stream))
}

// Compensate records that the process is to undo what it did for a stream. The event that is recorded moves
// the row on, also from a step that is stuck.
func (o *Operator) Compensate(ctx context.Context, stream string) error {
	if o.Undo == nil {
		return errCannotUndo
	}
	shown, err := o.Show(ctx, stream)
	if err != nil {
		return err
	}
	if err := o.Undo(ctx, stream, shown.Version); err != nil {
		return fmt.Errorf("compensating %s: %w", stream, err)
	}
	observe.Logger(ctx).Info().Str(observe.FieldProcess, o.Name()).Str(observe.FieldStream, stream).Msg("process:compensate")
	return nil
}
