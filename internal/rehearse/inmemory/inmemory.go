// Package inmemory is the system over stores in memory, for the tests of every layer: events with their
// read model and their log, a clock that ticks at each look, and a canteen's orders to fill them with.
// A test wraps it with the engine, the handlers or the faults that it is about.
package inmemory

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

// Start is when a system begins: nine in the morning in Tokyo.
var Start = time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)

// batch is how many events are delivered, or archived, at a time.
const batch = 50

// System is the stores of one installation. It is safe for concurrent use.
type System struct {
	TB      testing.TB
	Events  *memory.Events
	Tables  *memory.Tables
	Control *memory.Control
	Ledger  *memory.Ledger
	Blobs   *memory.Blobs

	projections model.Projections

	ids     atomic.Int64
	elapsed atomic.Int64 // milliseconds

	mu        sync.Mutex
	delivered string          // the feed's position of Project
	archived  eventstore.Mark // that of Archive
}

// New returns the canteen without events, whose read models are set up.
func New(t testing.TB) *System {
	t.Helper()
	return NewOf(t, canteen.Projections())
}

// NewOf is New for another domain.
func NewOf(t testing.TB, projections model.Projections) *System {
	t.Helper()
	s := &System{
		TB: t, projections: projections, Events: memory.NewEvents(), Tables: memory.NewTables(), Control: memory.NewControl(),
		Ledger: memory.NewLedger(), Blobs: memory.NewBlobs(),
	}
	s.Blobs.Now = s.Now
	for _, name := range projections.Names() {
		newest, _ := projections.Newest(name)
		s.Must(projection.Ensure(t.Context(), s.Control, s.Tables, newest))
	}
	return s
}

// Must fails the test on an error.
func (s *System) Must(err error) {
	s.TB.Helper()
	if err != nil {
		s.TB.Fatal(err)
	}
}

// Now is a millisecond later at each call.
func (s *System) Now() time.Time {
	return Start.Add(time.Duration(s.elapsed.Add(1)) * time.Millisecond)
}

// Wait lets time pass.
func (s *System) Wait(d time.Duration) { s.elapsed.Add(d.Milliseconds()) }

// NewID returns ids that sort in the order in which they were made.
func (s *System) NewID() string { return fmt.Sprintf("%026d", s.ids.Add(1)) }

// Append adds the next events of an order, with ids such as order-o1@2. It may be called from any
// goroutine.
func (s *System) Append(id string, payloads ...event.Payload) []event.Event {
	s.TB.Helper()
	return s.AppendTo(order.Stream(id), payloads...)
}

// AppendTo is Append for any stream.
func (s *System) AppendTo(stream string, payloads ...event.Payload) []event.Event {
	s.TB.Helper()
	history, err := s.Events.Load(context.Background(), stream, 0)
	events := make([]event.Event, len(payloads))
	for i, p := range payloads {
		if err == nil {
			events[i], err = event.New(p)
		}
		events[i].ID = fmt.Sprintf("%s@%d", stream, len(history)+i+1)
		events[i].OccurredAt, events[i].CorrelationID = event.InstantOf(s.Now()), "c-"+stream
	}
	if err == nil {
		err = s.Events.Append(context.Background(), stream, uint64(len(history)), events)
	}
	if err != nil {
		s.TB.Errorf("appending to %s: %v", stream, err)
	}
	return events
}

// Place appends an order over 780 yen. A second one of the same order cannot be applied.
func (s *System) Place(id string) []event.Event {
	s.TB.Helper()
	return s.Append(id, order.Placed{OrderID: id, Total: 780})
}

// Pay appends the order's payment.
func (s *System) Pay(id string) []event.Event {
	s.TB.Helper()
	return s.Append(id, order.Paid{OrderID: id, PaidAt: event.InstantOf(Start.Add(3 * time.Hour)), Method: order.MethodUnknown})
}

// Projector is the engine of live delivery, which looks at the pointers at each batch.
func (s *System) Projector() *projection.Projector {
	return &projection.Projector{
		Projections: s.projections, Tables: s.Tables, Streams: s.Events, Now: s.Now,
		Pointers: &projection.CachedPointers{Source: s.Control, Now: s.Now},
	}
}

// Project delivers what is new to a projector.
func (s *System) Project(ctx context.Context, p *projection.Projector) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		events, next, err := s.Events.Read(ctx, s.delivered, batch)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := p.Apply(ctx, events).Err(); err != nil {
			return err
		}
		s.delivered = next
	}
}

// MustProject is Project with the system's own projector.
func (s *System) MustProject() {
	s.TB.Helper()
	s.Must(s.Project(s.TB.Context(), s.Projector()))
}

// Archiver numbers events and puts them into the log.
func (s *System) Archiver() *eventlog.Archiver {
	return &eventlog.Archiver{Ledger: s.Ledger, Blobs: s.Blobs, Now: s.Now, NewID: s.NewID}
}

// Log reads the log.
func (s *System) Log() *eventlog.Reader { return &eventlog.Reader{Ledger: s.Ledger, Blobs: s.Blobs} }

// Archive puts what is new into the log.
func (s *System) Archive(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := eventlog.Follower{Store: s.Events, Position: s, Archiver: s.Archiver(), Events: batch}
	return f.CatchUp(ctx)
}

// Archived and SetArchived are eventlog.Position.
func (s *System) Archived(context.Context) (eventstore.Mark, error) { return s.archived, nil }

// SetArchived is the other half of it.
func (s *System) SetArchived(_ context.Context, m eventstore.Mark) error {
	s.archived = m
	return nil
}

// Edit changes a stored row behind the engine's back.
func (s *System) Edit(t projection.Table, stream string, change func(*projection.Change)) {
	s.TB.Helper()
	rows, err := s.Tables.Records(s.TB.Context(), t, []string{stream})
	s.Must(err)
	c := projection.Change{Record: rows[stream], Expected: rows[stream].Writes}
	c.Stream = stream
	change(&c)
	late, err := s.Tables.Write(s.TB.Context(), t, []projection.Change{c})
	if err != nil || len(late) > 0 {
		s.TB.Fatalf("editing %s: late %v, %v", stream, late, err)
	}
}

// Replace is a change for Edit: another text in the row's data.
func Replace(from, to string) func(*projection.Change) {
	return func(c *projection.Change) { c.Data = []byte(strings.Replace(string(c.Data), from, to, 1)) }
}

// Erase is a change for Edit: an empty row is one that is gone. Totals still count it.
func Erase(c *projection.Change) { c.Record = projection.Record{Stream: c.Stream} }

// Rows describes the rows of a table, without what depends on how they came to be.
func (s *System) Rows(t projection.Table) map[string]string {
	s.TB.Helper()
	rows := map[string]string{}
	for records, err := range eventstore.Pages(func(cursor string) ([]projection.Record, string, error) {
		return s.Tables.Scan(context.Background(), t, eventstore.All, cursor, 1000)
	}) {
		if err != nil {
			s.TB.Fatalf("scanning %s: %v", t, err)
		}
		for _, r := range records {
			parked := ""
			if r.Parked != nil {
				parked = fmt.Sprintf(" parked at %d", r.Parked.EventVersion)
			}
			rows[r.Stream] = fmt.Sprintf("v%d %s %v%s", r.Version, r.Data, r.Place, parked)
		}
	}
	return rows
}

// Totals are those of a table.
func (s *System) Totals(t projection.Table) map[string]map[string]int64 {
	s.TB.Helper()
	totals, err := s.Tables.Totals(context.Background(), t)
	s.Must(err)
	return totals
}

// Pointer is that of a projection.
func (s *System) Pointer(of string) projection.Pointer {
	s.TB.Helper()
	p, err := s.Control.Pointer(context.Background(), of)
	s.Must(err)
	return p
}
