package projection_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

var errDisk = fault.Unavailable(errors.New("the disk is gone"))

// scripted are ports in memory; before is asked about each call by its name and how often it
// was made, and an error of it is the call's.
type scripted struct {
	events  *memory.Events
	tables  *memory.Tables
	control *memory.Control
	before  func(call string, nth int) error
	calls   map[string]int
}

func (s *scripted) call(name string) error {
	s.calls[name]++
	if s.before == nil {
		return nil
	}
	return s.before(name, s.calls[name])
}

type scriptedTables struct {
	*memory.Tables
	*scripted
}

func (s scriptedTables) Create(ctx context.Context, t projection.Table) error {
	if err := s.call("Create"); err != nil {
		return err
	}
	return s.Tables.Create(ctx, t)
}

func (s scriptedTables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	if err := s.call("Records"); err != nil {
		return nil, err
	}
	return s.Tables.Records(ctx, t, streams)
}

func (s scriptedTables) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	switch err := s.call("Write"); {
	case errors.Is(err, errLate):
		late, err := s.Tables.Write(ctx, t, changes[1:])
		return append(late, changes[0].Stream), err
	case err != nil:
		return nil, err
	}
	return s.Tables.Write(ctx, t, changes)
}

// errLate has Write say that somebody else was faster with the first row.
var errLate = errors.New("somebody was faster")

type scriptedStreams struct {
	*memory.Events
	*scripted
}

func (s scriptedStreams) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	if err := s.call("LoadMany"); err != nil {
		return nil, err
	}
	return s.Events.LoadMany(ctx, streams)
}

func (s scriptedStreams) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	if err := s.call("Read"); err != nil {
		return nil, cursor, err
	}
	return s.Events.Read(ctx, cursor, limit)
}

type scriptedControl struct {
	*memory.Control
	*scripted
}

func (s scriptedControl) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	if err := s.call("Pointer"); err != nil {
		return projection.Pointer{}, err
	}
	return s.Control.Pointer(ctx, name)
}

func (s scriptedControl) SetPointer(ctx context.Context, p projection.Pointer) error {
	if err := s.call("SetPointer"); err != nil {
		return err
	}
	return s.Control.SetPointer(ctx, p)
}

func (s scriptedControl) Checkpoint(ctx context.Context, reader string) (projection.Checkpoint, error) {
	if err := s.call("Checkpoint"); err != nil {
		return projection.Checkpoint{}, err
	}
	return s.Control.Checkpoint(ctx, reader)
}

func (s scriptedControl) SetCheckpoint(ctx context.Context, reader string, c projection.Checkpoint) error {
	if err := s.call("SetCheckpoint"); err != nil {
		return err
	}
	return s.Control.SetCheckpoint(ctx, reader, c)
}

// newScripted is a projection that is set up, over these orders, each placed and paid.
func newScripted(t *testing.T, orders ...string) *scripted {
	t.Helper()
	s := &scripted{events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl(), calls: map[string]int{}}
	if err := projection.Ensure(t.Context(), s.control, s.tables, readmodel.Orders()); err != nil {
		t.Fatal(err)
	}
	for _, o := range orders {
		events := []event.Event{
			{ID: o + "-1", Type: order.PlacedType, OccurredAt: 1, Schema: 2, Payload: fmt.Appendf(nil, `{"orderId":%q,"total":780}`, o)},
			{ID: o + "-2", Type: order.PaidType, OccurredAt: 2, Schema: 1, Payload: fmt.Appendf(nil, `{"orderId":%q,"paidAt":"2026-01-24T00:00:00.000Z"}`, o)},
		}
		if err := s.events.Append(t.Context(), order.Stream(o), 0, events); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *scripted) projector() *projection.Projector {
	now := func() time.Time { return time.UnixMilli(1_769_212_800_000) }
	return &projection.Projector{
		Projections: model.Projections{readmodel.Orders(), readmodel.OrdersV1()}, Tables: scriptedTables{s.tables, s}, Streams: scriptedStreams{s.events, s}, Now: now,
		Pointers: &projection.CachedPointers{Source: scriptedControl{s.control, s}, Now: now},
		Retries:  retry.Policy{Tries: projection.HealRetries.Tries},
	}
}

func (s *scripted) delivered(t *testing.T) []event.Event {
	t.Helper()
	events, _, err := s.events.Read(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func (s *scripted) row(t *testing.T, stream string) projection.Record {
	t.Helper()
	rows, err := s.tables.Records(t.Context(), table, []string{stream})
	if err != nil {
		t.Fatal(err)
	}
	return rows[stream]
}

// failing fails the nth call of a name.
func failing(name string, nth int, err error) func(string, int) error {
	return func(call string, n int) error {
		if call == name && n == nth {
			return err
		}
		return nil
	}
}

func TestAStreamIsInOrItsDeliveryFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call string
		nth  int
	}{{"Pointer", 1}, {"Records", 1}, {"Records", 2}, {"Write", 1}, {"Write", 2}, {"LoadMany", 1}} {
		t.Run(fmt.Sprint(c.call, c.nth), func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, "o1", "o2")
			events := s.delivered(t)[:3] // o1 as it was appended
			events[2].Version, events[2].Type = 2, order.PaidType
			events[2].Payload = []byte(`{"orderId":"o2"}`) // o2 with a gap, so that it is healed
			s.before = failing(c.call, c.nth, errDisk)
			failures := s.projector().Apply(t.Context(), events)
			if !errors.Is(failures.Err(), errDisk) {
				t.Errorf("failures %v, want that the disk is gone", failures)
			}
			for _, stream := range []string{"order-o1", "order-o2"} {
				if v := s.row(t, stream).Version; v != 2 && failures[stream] == nil {
					t.Errorf("%s is at version %d and counts as applied", stream, v)
				}
			}
			if err := s.projector().Apply(t.Context(), events).Err(); err != nil {
				t.Fatal(err)
			}
			if a, b := s.row(t, "order-o1"), s.row(t, "order-o2"); a.Version != 2 || b.Version != 2 {
				t.Errorf("delivered again: versions %d and %d, want 2", a.Version, b.Version)
			}
		})
	}
}

func TestADeliveryWaitsForAListedTableThatIsMissing(t *testing.T) {
	t.Parallel()
	dropped := func(t *testing.T, s *scripted) {
		if err := s.tables.Drop(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("the pointer still lists it", func(t *testing.T) {
		t.Parallel()
		s := newScripted(t, "o1")
		dropped(t, s)
		err := s.projector().Apply(t.Context(), s.delivered(t)).Err()
		if err == nil || fault.ClassOf(err) != fault.Infra || !strings.Contains(err.Error(), "rebuild the projection") {
			t.Errorf("got %v, want an infra error that says to rebuild", err)
		}
	})
	t.Run("the pointer cannot be read again", func(t *testing.T) {
		t.Parallel()
		s := newScripted(t, "o1")
		dropped(t, s)
		s.before = failing("Pointer", 2, errDisk)
		if err := s.projector().Apply(t.Context(), s.delivered(t)).Err(); !errors.Is(err, errDisk) {
			t.Errorf("got %v, want that the pointer cannot be read", err)
		}
	})
	t.Run("the version was taken off the pointer meanwhile", func(t *testing.T) {
		t.Parallel()
		s := newScripted(t, "o1")
		p, err := s.control.Pointer(t.Context(), table.Projection)
		if err != nil {
			t.Fatal(err)
		}
		p.Versions = append(p.Versions, projection.Version{Number: 2, Revision: 1, State: projection.Previous})
		if err := s.control.SetPointer(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		p.Versions, p.Changes = p.Versions[:1], p.Changes+1
		s.before = func(call string, n int) error {
			if call == "Records" && n == 2 {
				return s.control.SetPointer(t.Context(), p)
			}
			return nil
		}
		projector := s.projector()
		projector.Pointers.TTL = time.Hour // it knows the old pointer
		if err := projector.Apply(t.Context(), s.delivered(t)).Err(); err != nil || s.row(t, "order-o1").Version != 2 {
			t.Errorf("got %v, the row of the other version is at %d", err, s.row(t, "order-o1").Version)
		}
	})
	t.Run("a version that catches up", func(t *testing.T) {
		t.Parallel()
		s := newScripted(t, "o1")
		gone := projection.Table{Projection: table.Projection, Version: 7}
		if err := s.projector().ApplyTo(t.Context(), readmodel.Orders(), gone, s.delivered(t)); !errors.Is(err, projection.ErrNoTable) {
			t.Errorf("got %v, want ErrNoTable", err)
		}
		s.before = failing("Records", 1, errDisk)
		s.calls = map[string]int{}
		if err := s.projector().ApplyTo(t.Context(), readmodel.Orders(), table, s.delivered(t)); !errors.Is(err, errDisk) {
			t.Errorf("got %v, want that the disk is gone", err)
		}
	})
}

func TestOnlyLiveVersionsOfKnownRevisionsAreWritten(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	p, err := s.control.Pointer(t.Context(), table.Projection)
	if err != nil {
		t.Fatal(err)
	}
	written := map[int]bool{1: true, 2: true, 3: false, 4: true, 5: false, 6: false}
	p.Versions = append(p.Versions,
		projection.Version{Number: 2, Revision: 1, State: projection.Previous},
		projection.Version{Number: 3, Revision: 1, State: projection.Building},
		projection.Version{Number: 4, Revision: 1, State: projection.Building, Joined: true},
		projection.Version{Number: 5, Revision: 1, State: projection.Scratch, Joined: true},
		projection.Version{Number: 6, Revision: 99, State: projection.Previous})
	if err := s.control.SetPointer(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for _, v := range p.Versions {
		if err := s.tables.Create(t.Context(), p.Table(v)); err != nil {
			t.Fatal(err)
		}
	}
	other := event.Event{ID: "p1", Type: "ProductAdded", Stream: "product-p1", Version: 1, Payload: []byte(`{}`)}
	if err := s.projector().Apply(t.Context(), append(s.delivered(t), other)).Err(); err != nil {
		t.Fatal(err)
	}
	for number, want := range written {
		rows, err := s.tables.Records(t.Context(), projection.Table{Projection: table.Projection, Version: number}, []string{"order-o1", other.Stream})
		if err != nil || (rows["order-o1"].Version == 2) != want || len(rows) > 1 {
			t.Errorf("version %d: %v, %v; want it written: %t, without the other aggregate's stream", number, rows, err, want)
		}
	}
}

func TestADeliveryReadsWhatItNeedsAndWritesWhatChanged(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	events := s.delivered(t)
	want := []struct{ writes, heals int }{{1, 0}, {2, 0}, {2, 0}, {4, 1}}
	for i, part := range [][]event.Event{events[:1], events[1:], events, nil} {
		if part == nil { // a new row, and somebody is faster
			other := newScripted(t, "o2")
			other.calls, part = s.calls, other.delivered(t)
			other.before = failing("Write", 3, errLate)
			s = other
		}
		if err := s.projector().Apply(t.Context(), part).Err(); err != nil {
			t.Fatal(err)
		}
		if s.calls["Write"] != want[i].writes || s.calls["LoadMany"] != want[i].heals {
			t.Errorf("delivery %d: %d writes and %d heals so far, want %+v", i, s.calls["Write"], s.calls["LoadMany"], want[i])
		}
	}
	if got := s.row(t, "order-o2"); got.Version != 2 {
		t.Errorf("the row that somebody else wrote meanwhile is at version %d, want 2", got.Version)
	}
}

// panics is a row whose fold was not written for its events.
type panics struct{ readmodel.Order }

func (*panics) Apply(*event.Event) error { panic("no such thing") }

func TestAFoldThatPanicsParksItsStreamAndCountsTheTries(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	d := readmodel.Orders()
	d.NewRow = func() model.Row { return new(panics) }
	p := s.projector()
	for attempt := 1; attempt <= 3; attempt++ {
		p.Now = func() time.Time { return time.UnixMilli(int64(attempt) * 1000) }
		if err := p.Heal(t.Context(), d, table, []string{"order-o1"}); err != nil {
			t.Fatal(err)
		}
		got := s.row(t, "order-o1")
		if got.Parked == nil || got.Parked.Attempts != attempt || got.Parked.Since != event.InstantOf(time.UnixMilli(1000)) || got.Parked.EventVersion != 1 || got.Writes != uint64(attempt) || got.Data != nil {
			t.Errorf("try %d: %+v, parked %+v", attempt, got, got.Parked)
		}
	}
}
