package projectiontest

import (
	"sync"
	"sync/atomic"
	"testing"

	"gakushoku/internal/engine/projection"
)

func mustTry(t *testing.T, s projection.Agenda, row projection.Record, tried projection.Tried) {
	t.Helper()
	if set, err := s.SetTried(t.Context(), v1, row, tried); err != nil || !set {
		t.Fatalf("SetTried of %s: %t, %v", row.Stream, set, err)
	}
}

func testTried(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1))})
	row := stored(t, s, "loan-1")
	tried := projection.Tried{Attempts: 1, Error: "no answer", Again: at(30)}
	mustTry(t, s, row, tried)
	wantDue(t, h, s, at(29))
	wantDue(t, h, s, at(30), "loan-1")
	wantOldest(t, h, s, at(30))
	row.Task.Tried = tried
	wantRow(t, s, row)
	mustTry(t, s, row, projection.Tried{}) // an operator has it tried at once
	wantDue(t, h, s, at(1), "loan-1")
}

func testTriedReset(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1))})
	mustTry(t, s, stored(t, s, "loan-1"), projection.Tried{Attempts: 9, Error: "no answer", Stuck: at(2)})
	wantStuck(t, h, s, "loan-1")
	next := waiting("loan-1", 2, "remind", at(3))
	mustWrite(t, s, []projection.Change{next})
	wantRow(t, s, next.Record)
	wantStuck(t, h, s)
	wantDue(t, h, s, at(3), "loan-1")
}

func testTriedLate(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1))})
	old := stored(t, s, "loan-1")
	next := waiting("loan-1", 2, "remind", at(1))
	mustWrite(t, s, []projection.Change{next})
	absent := old
	absent.Stream = "loan-2"
	for _, row := range []projection.Record{old, absent} {
		if set, err := s.SetTried(t.Context(), v1, row, projection.Tried{Attempts: 1, Stuck: at(5)}); err != nil || set {
			t.Errorf("%s: %t, %v, want that it came too late", row.Stream, set, err)
		}
	}
	wantRow(t, s, next.Record)
	if rows, err := s.Records(t.Context(), v1, []string{"loan-2"}); err != nil || len(rows) != 0 {
		t.Errorf("an attempt made a row: %v, %v", rows, err)
	}
}

func testTriedOnce(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1))})
	row := stored(t, s, "loan-1")
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			set, err := s.SetTried(t.Context(), v1, row, projection.Tried{Attempts: 1, Again: at(int64(i + 10))})
			if err != nil {
				t.Error(err)
			}
			if set {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 attempts were recorded, want 1", won.Load())
	}
}

func testTriedNoWrite(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1))})
	mustTry(t, s, stored(t, s, "loan-1"), projection.Tried{Attempts: 1, Again: at(9)})
	mustWrite(t, s, []projection.Change{waiting("loan-1", 2, "fine", at(2))})
}

func testStuck(t *testing.T, h Tables) {
	s := newAgenda(t, h)
	mustWrite(t, s, []projection.Change{waiting("loan-1", 1, "remind", at(1)), waiting("loan-2", 1, "remind", at(2))})
	row := stored(t, s, "loan-1")
	stuck := projection.Tried{Attempts: 9, Error: "no answer", Again: at(3), Stuck: at(4)}
	mustTry(t, s, row, stuck)
	wantStuck(t, h, s, "loan-1")
	wantDue(t, h, s, at(100), "loan-2")
	wantOldest(t, h, s, at(2))
	row.Task.Tried = stuck
	mustTry(t, s, row, projection.Tried{})
	wantStuck(t, h, s)
	wantDue(t, h, s, at(100), "loan-1", "loan-2")
}
