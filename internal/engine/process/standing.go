package process

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// standing is where a process stands with one stream, folded from the event store.
type standing struct {
	process model.Process
	stream  string
	fold    projection.Fold
	history []event.Event // that was read
	task    model.Task
	waits   bool   // for task
	began   uint64 // the version at which it had something to do again, after a rest
	undone  bool   // it undid something since then
	last    event.Event
}

// stand folds the whole of a stream, or what is known of it.
func (p *Ports) stand(ctx context.Context, d model.Process, stream string, known []event.Event) (*standing, error) {
	s := &standing{process: d, stream: stream, fold: projection.Fold{Row: d.NewRow()}}
	return s, p.advance(ctx, s, known)
}

// advance folds the events that were appended since: those that are known, otherwise it loads them. It stops
// before an event that cannot be applied; then nothing is to be done, and the projector parks the stream.
func (p *Ports) advance(ctx context.Context, s *standing, known []event.Event) (err error) {
	if len(known) == 0 || known[0].Version != s.fold.Version+1 {
		if known, err = p.Streams.Load(ctx, s.stream, s.fold.Version); err != nil {
			return fmt.Errorf("loading %s: %w", s.stream, err)
		}
	}
	s.history = slices.Concat(s.history, known)
	for i := range known {
		switch s.fold.Apply(&known[i], event.InstantOf(p.Now())) {
		case projection.Applied:
			s.moved(&known[i])
		case projection.Gap:
			return fmt.Errorf("%s lacks version %d in the event store", s.stream, s.fold.Version+1)
		}
	}
	if s.fold.Parked != nil {
		s.waits = false
	}
	return nil
}

// moved takes in that an event was applied.
func (s *standing) moved(e *event.Event) {
	rested := !s.waits
	s.last = event.Event{CorrelationID: e.CorrelationID, Traceparent: e.Traceparent, ID: e.ID}
	s.waits = false
	if row, ok := s.fold.Row.(model.ProcessRow); ok {
		s.task, s.waits = row.Next()
	}
	if s.waits && rested {
		s.began, s.undone = s.fold.Version, false
	}
	if s.waits && s.task.Undo {
		s.undone = true
	}
}

// due reports whether a step has to be carried out by now.
func (s *standing) due(now event.Instant) bool { return s.waits && s.task.Due <= now }

// call returns an attempt at the step.
func (s *standing) call(attempt int) Call {
	return Call{
		ID:      callID(s.process.Name, s.stream, s.fold.Version, s.task.Step),
		Process: s.process.Name, Stream: s.stream, Step: s.task.Step, Undo: s.task.Undo,
		Version: s.fold.Version, Attempt: attempt, Row: s.fold.Row, History: s.history,
	}
}
