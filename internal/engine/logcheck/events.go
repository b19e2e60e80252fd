package logcheck

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"gakushoku/internal/event"
)

// EventsReport is the outcome of VerifyEvents.
type EventsReport struct {
	Findings
	Deep    bool          `json:"deep"`
	Streams int           `json:"streams"`
	Events  uint64        `json:"events"`
	Log     *Report       `json:"log,omitempty"` // only of a deep verification
	At      event.Instant `json:"at"`

	DurationMs int64 `json:"durationMs"`
}

// VerifyEvents checks every event of the store: the versions of each stream have no holes, every envelope and
// payload is valid, and no two events share an id. A deep verification also requires the log to hold the same
// events. It may run while events come in. An error means that the check could not be completed.
func (l *Log) VerifyEvents(ctx context.Context, deep bool) (*EventsReport, error) {
	started := l.Now()
	r := &EventsReport{Deep: deep, At: event.InstantOf(started)}
	s := &storeCheck{Log: l, report: r, seed: maphash.MakeSeed()}
	err := s.walk(ctx)
	if err == nil {
		err = s.repeatedIDs(ctx)
	}
	if err == nil {
		err = l.misfit(ctx, &r.Findings)
	}
	if err == nil && deep {
		log := *l
		if r.Total() > 0 && l.CatchUp != nil {
			log.CatchUp = func(context.Context) error { return nil } // do not archive events of such a store
		}
		r.Log, err = log.Verify(ctx, Options{Deep: true})
	}
	if err != nil {
		return nil, fmt.Errorf("verifying the events: %w", err)
	}
	r.conclude()
	r.Sound = r.Sound && (r.Log == nil || r.Log.Sound)
	r.DurationMs = l.Now().Sub(started).Milliseconds()
	return r, nil
}

// storeCheck is one walk over the store.
type storeCheck struct {
	*Log
	report *EventsReport
	seed   maphash.Seed
	ids    []uint64 // a hash of every id: 8 bytes per event
}

// checked is what was found in a stream.
type checked struct {
	ids      []uint64
	problems []Problem
}

func everyStream(string) bool { return true }

func (s *storeCheck) walk(ctx context.Context) error {
	return eachStream(ctx, s.Store, s.workers(), everyStream, s.stream, func(c checked) error {
		s.report.Streams++
		s.report.Events += uint64(len(c.ids))
		s.ids = append(s.ids, c.ids...)
		for _, p := range c.problems {
			s.report.add(p)
		}
		return nil
	})
}

// stream checks one stream. It is called concurrently.
func (s *storeCheck) stream(name string, events []event.Event) checked {
	c := checked{ids: make([]uint64, len(events))}
	next := uint64(1)
	for i := range events {
		e := &events[i]
		c.ids[i] = maphash.String(s.seed, e.ID)
		p := Problem{Stream: name, Version: e.Version, EventID: e.ID}
		if e.Version != next {
			p.Kind, p.Detail = VersionHole, fmt.Sprintf("version %d would be next", next)
			c.problems = append(c.problems, p)
		}
		next = e.Version + 1
		if err := checkStored(name, e); err != nil {
			p.Kind, p.Detail = EventInvalid, err.Error()
			c.problems = append(c.problems, p)
		}
	}
	return c
}

// checkStored requires that an event of the store could be exported and imported again.
func checkStored(stream string, e *event.Event) error {
	if e.Stream != stream {
		return fmt.Errorf("it says that it is of %s", e.Stream)
	}
	var again event.Event
	if err := event.Decode(event.AppendJSON(nil, e), &again); err != nil {
		return err
	}
	if again.Stream != stream || again.Version != e.Version {
		return errors.New("it comes back as an event of another stream or version")
	}
	return event.Check(&again)
}

// repeatedIDs reports ids that several events share.
func (s *storeCheck) repeatedIDs(ctx context.Context) error {
	slices.Sort(s.ids)
	suspects := map[uint64]bool{}
	for i := 1; i < len(s.ids); i++ {
		if s.ids[i] == s.ids[i-1] {
			suspects[s.ids[i]] = true
		}
	}
	s.ids = nil
	if len(suspects) == 0 {
		return nil
	}
	first := map[string]eventKey{}
	return eachStream(ctx, s.Store, s.workers(), everyStream,
		func(_ string, events []event.Event) []event.Event {
			return slices.DeleteFunc(events, func(e event.Event) bool { return !suspects[maphash.String(s.seed, e.ID)] })
		},
		func(events []event.Event) error {
			for i := range events {
				e := &events[i]
				other, repeated := first[e.ID]
				if !repeated {
					first[e.ID] = eventKey{e.Stream, e.Version}
					continue
				}
				s.report.add(Problem{Kind: IDRepeated, Stream: e.Stream, Version: e.Version, EventID: e.ID, Detail: fmt.Sprintf("version %d of %s has the same id", other.version, other.stream)})
			}
			return nil
		})
}
