package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// AgendaStore is a store that lists the tasks of a process's rows.
type AgendaStore interface {
	SinkStore
	projection.Agenda
}

// TestAgenda tests everything that projection.Agenda promises. The harness is that of TestTables; its stores
// must implement AgendaStore.
func TestAgenda(t *testing.T, h Tables) {
	contract.Run(t, h, map[string]func(*testing.T, Tables){
		"a task comes back with its row":                testTaskRoundTrip,
		"rows are due from their instant on":            testDue,
		"a row without a task is not listed":            testNoTask,
		"the task changes with the row":                 testTaskMoves,
		"an attempt puts a task off":                    testTried,
		"a newer row forgets what was tried":            testTriedReset,
		"an attempt that came too late changes nothing": testTriedLate,
		"one of many attempts is recorded":              testTriedOnce,
		"an attempt makes no writer late":               testTriedNoWrite,
		"stuck tasks are listed apart":                  testStuck,
		"lists of tasks are paged":                      testAgendaPages,
		"rows of a bulk have their tasks":               testAgendaSink,
		"a table that is not there is ErrNoTable":       testAgendaNoTable,
		"a cancelled call says so":                      testAgendaCancelled,
		"tasks are there when the store is opened":      testAgendaReopen,
	})
}

// at returns an instant some seconds into the day of the tests.
func at(seconds int64) event.Instant { return event.InstantOfMilli(1_769_212_800_000 + 1000*seconds) }

func newAgenda(t *testing.T, h Tables) AgendaStore {
	t.Helper()
	s, ok := newStore(t, h).(AgendaStore)
	if !ok {
		t.Fatal("the store is no projection.Agenda")
	}
	return s
}

// waiting is the change that has a row wait for a step.
func waiting(stream string, writes uint64, step string, due event.Instant) projection.Change {
	c := change(stream, writes)
	c.Task = &projection.Task{Task: model.Task{Step: step, Due: due}}
	return c
}

// allDue returns all pages of what is due.
func allDue(ctx context.Context, s projection.Agenda, until event.Instant, limit int) ([]string, error) {
	rows, err := scanAll(ctx, func(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
		return s.Due(ctx, t, until, cursor, limit)
	}, limit)
	return sortedNames(rows), err
}

func allStuck(ctx context.Context, s projection.Agenda, limit int) ([]string, error) {
	rows, err := scanAll(ctx, s.Stuck, limit)
	return sortedNames(rows), err
}

func sortedNames(rows map[string]projection.Record) []string {
	var all []string
	for stream := range rows {
		all = append(all, stream)
	}
	slices.Sort(all)
	return all
}

func wantDue(t *testing.T, h Tables, s projection.Agenda, until event.Instant, want ...string) {
	t.Helper()
	wantListed(t, h, fmt.Sprint("due until ", until), want, func() ([]string, error) { return allDue(t.Context(), s, until, 10) })
}

func wantStuck(t *testing.T, h Tables, s projection.Agenda, want ...string) {
	t.Helper()
	wantListed(t, h, "stuck", want, func() ([]string, error) { return allStuck(t.Context(), s, 10) })
}

func wantOldest(t *testing.T, h Tables, s projection.Agenda, want event.Instant) {
	t.Helper()
	wantListed(t, h, "oldest due", []event.Instant{want}, func() ([]event.Instant, error) {
		got, err := s.OldestDue(t.Context(), v1)
		return []event.Instant{got}, err
	})
}

// stored returns a stream's row.
func stored(t *testing.T, s projection.Tables, stream string) projection.Record {
	t.Helper()
	rows, err := s.Records(t.Context(), v1, []string{stream})
	if err != nil {
		t.Fatal(err)
	}
	return rows[stream]
}

func testTaskRoundTrip(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	c := change("loan-1", 1)
	c.Task = &projection.Task{
		Task:  model.Task{Step: "remind", Due: at(5), Undo: true},
		Tried: projection.Tried{Attempts: 2, Error: "the \"mail\" is down\n", Again: at(7), Stuck: at(9)},
	}
	mustWrite(t, s, []projection.Change{c})
	wantRow(t, s, c.Record)
}

func testDue(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	wantOldest(t, h, s, 0)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(10)), waiting("loan-2", 1, "remind", at(20)), waiting("loan-3", 1, "fine", at(5))})
	wantDue(t, h, s, at(4))
	wantDue(t, h, s, at(5), "loan-3")
	wantDue(t, h, s, at(19), "loan-1", "loan-3")
	wantDue(t, h, s, at(20), "loan-1", "loan-2", "loan-3")
	wantOldest(t, h, s, at(5))
	rows, _, err := s.Due(t.Context(), v1, at(5), "", 10)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	wantSame(t, "the row that is due", waiting("loan-3", 1, "fine", at(5)).Record, rows[0])
}

func testNoTask(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1)), waiting("loan-2", 1, "remind", at(1)), change("loan-3", 1)})
	wantDue(t, h, s, at(100), "loan-2")
	wantStuck(t, h, s)
	if set, err := s.SetTried(t.Context(), v1, stored(t, s, "loan-1"), projection.Tried{Attempts: 1}); err != nil || set {
		t.Errorf("an attempt without a task: %t, %v", set, err)
	}
}

// testTaskMoves writes rows with totals and without, since a store may write them differently.
func testTaskMoves(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1)), waiting("loan-2", 1, "remind", at(2)), waiting("loan-3", 1, "remind", at(3))})
	later := waiting("loan-2", 2, "fine", at(50))
	later.Totals = []model.Contribution{add(day, "loans", 1)}
	mustWrite(t, s, []projection.Change{change("loan-1", 2), later})
	wantDue(t, h, s, at(49), "loan-3")
	wantDue(t, h, s, at(50), "loan-2", "loan-3")
	mustWrite(t, s, []projection.Change{waiting("loan-1", 3, "remind", at(4)), change("loan-3", 2, add(day, "loans", 1))})
	wantDue(t, h, s, at(49), "loan-1")
	wantOldest(t, h, s, at(4))
}

func testAgendaPages(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	var changes []projection.Change
	var due, stuck []string
	for i := range 30 {
		c := waiting(fmt.Sprintf("loan-%02d", i), 1, "remind", at(int64(i/10)))
		if i%3 == 0 {
			c.Task.Stuck = at(int64(i / 10))
			stuck = append(stuck, c.Stream)
		} else {
			due = append(due, c.Stream)
		}
		changes = append(changes, c)
	}
	mustWrite(t, s, changes)
	for _, limit := range []int{1, 7, 100} {
		wantListed(t, h, "due", due, func() ([]string, error) { return allDue(t.Context(), s, at(100), limit) })
		wantListed(t, h, "stuck", stuck, func() ([]string, error) { return allStuck(t.Context(), s, limit) })
	}
	for _, limit := range []int{0, -1} {
		if _, _, err := s.Due(t.Context(), v1, at(100), "", limit); err == nil {
			t.Errorf("a page of %d is taken", limit)
		}
		if _, _, err := s.Stuck(t.Context(), v1, "", limit); err == nil {
			t.Errorf("a page of %d is taken", limit)
		}
	}
}

func testAgendaSink(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	part := projection.BulkPart{
		Name: "part", Totals: func() []model.Contribution { return nil },
		Rows: func(yield func(projection.Record, error) bool) {
			for _, c := range []projection.Change{waiting("loan-1", 1, "remind", at(1)), change("loan-2", 1), waiting("loan-3", 1, "fine", at(9))} {
				if !yield(c.Record, nil) {
					return
				}
			}
		},
	}
	for range 2 {
		if rows, err := s.PutPart(t.Context(), v1, part); err != nil || rows != 3 {
			t.Fatalf("%d rows, %v", rows, err)
		}
	}
	if err := s.Finish(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	wantDue(t, h, s, at(8), "loan-1")
	mustTry(t, s, stored(t, s, "loan-1"), projection.Tried{Attempts: 1, Again: at(50)})
	mustWrite(t, s, []projection.Change{waiting("loan-3", 2, "fine", at(3))})
	part.Name = "again"
	if _, err := s.PutPart(t.Context(), v1, part); err != nil {
		t.Fatal(err)
	}
	wantDue(t, h, s, at(8), "loan-3")
	wantDue(t, h, s, at(50), "loan-1", "loan-3")
}

func testAgendaNoTable(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	_, _, err := s.Due(t.Context(), v2, at(1), "", 1)
	wantErr(t, "Due", err, projection.ErrNoTable)
	_, _, err = s.Stuck(t.Context(), v2, "", 1)
	wantErr(t, "Stuck", err, projection.ErrNoTable)
	_, err = s.OldestDue(t.Context(), v2)
	wantErr(t, "OldestDue", err, projection.ErrNoTable)
	_, err = s.SetTried(t.Context(), v2, waiting("loan-1", 1, "remind", at(1)).Record, projection.Tried{Attempts: 1})
	wantErr(t, "SetTried", err, projection.ErrNoTable)
}

func testAgendaCancelled(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1))})
	row := stored(t, s, "loan-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, due := s.Due(ctx, v1, at(1), "", 1)
	_, _, stuck := s.Stuck(ctx, v1, "", 1)
	_, oldest := s.OldestDue(ctx, v1)
	_, tried := s.SetTried(ctx, v1, row, projection.Tried{Attempts: 1})
	for call, err := range map[string]error{"Due": due, "Stuck": stuck, "OldestDue": oldest, "SetTried": tried} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", call, err)
		}
	}
	wantRow(t, s, row)
}

func testAgendaReopen(t *testing.T, h Tables) {
	i := h.Open(t)
	if i.Reopen == nil {
		t.Skip("the store keeps no data")
	}
	if err := i.Store.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, i.Store, []projection.Change{waiting("loan-1", 1, "remind", at(1)), waiting("loan-2", 1, "remind", at(1))})
	mustTry(t, i.Store.(AgendaStore), stored(t, i.Store, "loan-1"), projection.Tried{Attempts: 3, Error: "no answer", Stuck: at(2)})
	s := i.Reopen(t).(AgendaStore)
	wantStuck(t, h, s, "loan-1")
	wantDue(t, h, s, at(1), "loan-2")
}
