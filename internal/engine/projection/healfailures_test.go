package projection_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// gapped is an event store that has lost the first event of every stream.
type gapped struct{ scriptedStreams }

func (g gapped) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	all, err := g.scriptedStreams.LoadMany(ctx, streams)
	for stream := range all {
		all[stream] = all[stream][1:]
	}
	return all, err
}

// countingTables notes for how many streams rows were read each time.
type countingTables struct {
	scriptedTables
	asked []int
}

func (c *countingTables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	c.asked = append(c.asked, len(streams))
	return c.scriptedTables.Records(ctx, t, streams)
}

func TestAHealThatMeetsAGapInTheStoreFails(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	p := s.projector()
	p.Streams = gapped{scriptedStreams{s.events, s}}
	err := p.Heal(t.Context(), readmodel.Orders(), table, []string{"order-o1"})
	if err == nil || !strings.Contains(err.Error(), "lacks version 1") {
		t.Errorf("got %v, want that the event store lacks version 1", err)
	}
	if row := s.row(t, "order-o1"); row.Writes != 0 {
		t.Errorf("a row was written: %+v", row)
	}
}

func TestARowThatCannotBeReadIsParkedOnceAndSaysToRebuild(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	bad := projection.Record{Stream: "order-o1", Version: 1, Data: []byte(`{"total":"much"}`)}
	if _, err := s.tables.Write(t.Context(), table, []projection.Change{{Record: bad}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // parked is parked: a second try writes nothing
		if err := s.projector().Apply(t.Context(), s.delivered(t)).Err(); err != nil {
			t.Fatal(err)
		}
		got := s.row(t, "order-o1")
		if got.Parked == nil || !strings.Contains(got.Parked.Reason, "rebuild the projection") || got.Version != 1 || got.Writes != 2 || string(got.Data) != string(bad.Data) {
			t.Errorf("got %+v, parked %+v", got, got.Parked)
		}
	}
}

func TestAHealTriesStreamsAgainThatOthersWroteUntilItGivesUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		late   int // writes for which somebody was faster
		writes int
		check  func(error) bool
	}{
		{"after two", 2, 3, func(err error) bool { return err == nil }},
		{"for ever", 99, 10, func(err error) bool { return fault.ClassOf(err) == fault.Infra }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, "o1")
			s.before = func(call string, n int) error {
				if call == "Write" && n <= c.late {
					return errLate
				}
				return nil
			}
			err := s.projector().Heal(t.Context(), readmodel.Orders(), table, []string{"order-o1"})
			if !c.check(err) || s.calls["Write"] != c.writes {
				t.Errorf("%d writes, %v", s.calls["Write"], err)
			}
		})
	}
}

func TestAHealTriesOnlyTheStreamsAgainThatWereLate(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1", "o2")
	s.before = failing("Write", 1, errLate)
	p := s.projector()
	tables := &countingTables{scriptedTables: scriptedTables{s.tables, s}}
	p.Tables = tables
	if err := p.Heal(t.Context(), readmodel.Orders(), table, []string{"order-o1", "order-o2"}); err != nil {
		t.Fatal(err)
	}
	if a, b := s.row(t, "order-o1"), s.row(t, "order-o2"); a.Version != 2 || b.Version != 2 {
		t.Errorf("versions %d and %d, want 2", a.Version, b.Version)
	}
	if len(tables.asked) != 2 || tables.asked[0] != 2 || tables.asked[1] != 1 {
		t.Errorf("rows read at each try: %v, want 2, then 1", tables.asked)
	}
}

func TestAHealRepairsARowOfTheSameVersionAndLeavesARightOneAlone(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	wrong := projection.Record{Stream: "order-o1", Version: 2, Data: []byte(`{"orderId":"o1","status":"READY"}`)}
	if _, err := s.tables.Write(t.Context(), table, []projection.Change{{Record: wrong}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.projector().Heal(t.Context(), readmodel.Orders(), table, []string{"order-o1"}); err != nil {
			t.Fatal(err)
		}
		if got := s.row(t, "order-o1"); !strings.Contains(string(got.Data), `"PAID"`) || got.Writes != 2 || s.calls["Write"] != 1 {
			t.Errorf("row %+v with %s after %d writes, want it paid by one", got, got.Data, s.calls["Write"])
		}
	}
}

func TestAHealThatIsCancelledWhileItPausesEnds(t *testing.T) {
	t.Parallel()
	s := newScripted(t, "o1")
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(call string, _ int) error {
		if call == "Write" {
			cancel()
			return errLate
		}
		return nil
	}
	p := s.projector()
	p.Retries = projection.HealRetries
	if err := p.Heal(ctx, readmodel.Orders(), table, []string{"order-o1"}); !errors.Is(err, context.Canceled) || s.calls["Records"] != 1 {
		t.Errorf("the rows were read %d times, then %v; want once, then that it was cancelled", s.calls["Records"], err)
	}
}

func TestEmptyingRowsOnAFailingStoreFails(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Records", "LoadMany", "Write"} {
		s := newScripted(t)
		row := projection.Record{Stream: "order-gone", Version: 1, Data: []byte(`{"orderId":"gone","status":"PAID"}`)}
		if _, err := s.tables.Write(t.Context(), table, []projection.Change{{Record: row}}); err != nil {
			t.Fatal(err)
		}
		s.before = failing(call, 1, errDisk)
		if err := s.projector().Empty(t.Context(), readmodel.Orders(), table, []string{row.Stream}); !errors.Is(err, errDisk) {
			t.Errorf("%s: got %v, want that the disk is gone", call, err)
		}
	}
}
