package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

func recorder(streams *memory.Events, now *time.Time) *audit.Recorder {
	return &audit.Recorder{Streams: streams, Entries: &audit.Entries{}, Instance: "p1", Now: func() time.Time { return *now }, NewID: observe.NewID}
}

func named(t *testing.T, name string) context.Context {
	ctx := observe.WithCaller(observe.WithCorrelationID(t.Context(), "c1"), observe.Caller{Name: name, Role: "reader"})
	return observe.WithOrigin(ctx, observe.Origin{Route: "POST /loans"})
}

func TestRefusalsGoIntoAStreamOfTheProcessAndTheDay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 24, 23, 59, 0, 0, time.UTC)
	streams := memory.NewEvents()
	r := recorder(streams, &now)
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			r.Refused(named(t, "u1"), audit.Refusal{Command: "Lend", On: fmt.Sprint("/loans/", n), Code: "loan/out"})
		})
	}
	group.Wait()
	now = now.Add(2 * time.Minute)
	r.Refused(named(t, "u1"), audit.Refusal{Command: "Lend", On: "/loans", Code: "loan/out"})
	r.Refused(named(t, ""), audit.Refusal{Command: "Lend", On: "/loans", Code: "loan/out"}) // nobody
	for stream, want := range map[string]int{"audit-2026-01-24-p1": 20, "audit-2026-01-25-p1": 1} {
		events, err := streams.Load(t.Context(), stream, 0)
		if err != nil || len(events) != want {
			t.Fatalf("%s has %d events, %v", stream, len(events), err)
		}
		e := events[0]
		if e.Command != "Lend" || e.Actor != "u1" || e.Role != "reader" || e.Route != "POST /loans" || e.CorrelationID != "c1" || e.CommandHash != "" {
			t.Errorf("%+v", e)
		}
		if err := event.Check(&e); err != nil {
			t.Error(err)
		}
	}
}

// The form of a refusal in the log: it is read for as long as there is a log.
func TestTheFormOfARefusalStays(t *testing.T) {
	t.Parallel()
	const golden = `{"eventId":"e1","type":"CommandRefused","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"log":"2026-01-24-p1","on":"/loans","code":"loan/out"},"stream":"audit-2026-01-24-p1","version":1,"schema":1,"actor":"u1","command":"Lend","role":"reader","route":"POST /loans"}`
	now := time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)
	streams := memory.NewEvents()
	r := recorder(streams, &now)
	r.NewID = func() string { return "e1" }
	r.Refused(named(t, "u1"), audit.Refusal{Command: "Lend", On: "/loans", Code: "loan/out"})
	events, err := streams.Load(t.Context(), "audit-2026-01-24-p1", 0)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	if got := string(event.AppendJSON(nil, &events[0])); got != golden {
		t.Errorf("written:\n%s\nstored:\n%s", got, golden)
	}
	var e event.Event
	var refused audit.Refused
	if err := errors.Join(event.DecodeStrict([]byte(golden), &e), refused.Decode(&e)); err != nil || refused != (audit.Refused{Log: "2026-01-24-p1", On: "/loans", Code: "loan/out"}) {
		t.Errorf("%+v, %v", refused, err)
	}
}

// unconfirmed is a store that does not confirm its first append, though it has it.
type unconfirmed struct {
	*memory.Events
	failed bool
}

func (s *unconfirmed) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	err := s.Events.Append(ctx, stream, expected, events)
	if err == nil && !s.failed {
		s.failed = true
		return fault.Unavailable(errors.New("the answer was lost"))
	}
	return err
}

func TestARefusalIsRecordedThoughAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)
	streams := &unconfirmed{Events: memory.NewEvents()}
	r := recorder(streams.Events, &now)
	r.Streams = streams
	for range 2 {
		r.Refused(named(t, "u1"), audit.Refusal{Command: "Lend"})
	}
	if events, err := streams.Load(t.Context(), "audit-2026-01-24-p1", 0); err != nil || len(events) < 2 {
		t.Errorf("%d events, %v", len(events), err)
	}
}
