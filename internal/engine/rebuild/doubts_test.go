package rebuild_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

// found records the outcome of a verification with a version.
func (w *world) found(number, problems int) {
	w.TB.Helper()
	p := w.Pointer(orders)
	for i := range p.Versions {
		if p.Versions[i].Number == number {
			p.Versions[i].Verified = &projection.Verified{At: 1, Problems: problems}
		}
	}
	if err := w.engine.Pointers.SetPointer(w.TB.Context(), p); err != nil {
		w.TB.Fatal(err)
	}
}

// some is a stream that has a row.
func (w *world) some() string {
	w.TB.Helper()
	for stream := range w.Rows(version(2)) {
		return stream
	}
	w.TB.Fatal("there are no rows")
	return ""
}

// older takes a row of version 1 back by one event.
func (w *world) older(stream string) {
	w.TB.Helper()
	rows, err := w.Tables.Records(w.TB.Context(), v1, []string{stream})
	if err != nil {
		w.TB.Fatal(err)
	}
	row := rows[stream]
	row.Version--
	if late, err := w.Tables.Write(w.TB.Context(), v1, []projection.Change{{Record: row, Expected: row.Writes}}); err != nil || len(late) > 0 {
		w.TB.Fatal(late, err)
	}
}

func TestGoingBackToAVersionThatReadersWouldMissThingsInIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*world)
		want  string
	}{
		"sound":             {func(*world) {}, ""},
		"without a row":     {func(w *world) { w.remove(w.some()) }, "orders-v1 lacks 1 rows that orders-v2 has"},
		"behind":            {func(w *world) { w.older("order-a000") }, "1 rows of orders-v1 are behind"},
		"verified as wrong": {func(w *world) { w.found(1, 3) }, "left 3 rows and totals wrong"},
		"the other wrong":   {func(w *world) { w.found(2, 3) }, ""},
		"verified as sound": {func(w *world) { w.found(1, 0) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := rebuilt(t, 5)
			test.spoil(w)
			back, err := w.engine.GoBack(t.Context(), orders, false)
			if test.want == "" {
				if err != nil || back.Version != 1 || len(back.Doubts) > 0 {
					t.Errorf("%+v, %v", back, err)
				}
				return
			}
			if !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
			if back, err = w.engine.GoBack(t.Context(), orders, true); err != nil || back.Version != 1 || len(back.Doubts) != 1 {
				t.Errorf("forced: %+v, %v", back, err)
			}
		})
	}
}

// That nobody can compare the versions is a doubt like any other.
func TestGoingBackWhileTheVersionsCannotBeComparedIsRefused(t *testing.T) {
	t.Parallel()
	for n := 1; n < 4; n++ { // the calls that compare: a scan, and two looks at the other version
		w := rebuilt(t, 5)
		w.remove(w.some())
		e, _ := w.flaky(n)
		_, err := e.GoBack(t.Context(), orders, false)
		if !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), "could not be compared: "+errFlaky.Error()) {
			t.Errorf("call %d failed: %v", n, err)
		}
		w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
		e, _ = w.flaky(n)
		back, err := e.GoBack(t.Context(), orders, true)
		if err != nil || back.Version != 1 || len(back.Doubts) != 1 || !strings.Contains(back.Doubts[0], errFlaky.Error()) {
			t.Errorf("call %d failed, forced: %+v, %v", n, back, err)
		}
	}
}

func TestGoingBackThatCannotBeginOrIsStoppedChangesNothing(t *testing.T) {
	t.Parallel()
	w := rebuilt(t, 5)
	e, _ := w.flaky(0) // the pointer
	if _, err := e.GoBack(t.Context(), orders, true); !errors.Is(err, errFlaky) {
		t.Errorf("got %v", err)
	}
	w.remove(w.some())
	w.engine.Sleep = func(context.Context, time.Duration) error { return errFlaky }
	if _, err := w.engine.GoBack(t.Context(), orders, false); !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), errFlaky.Error()) {
		t.Errorf("while it waits: got %v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
}

func TestCleaningUpForAVersionThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	w := rebuilt(t, 3)
	w.found(2, 1)
	if _, err := w.engine.Clean(t.Context(), orders, false); !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), "left 1 rows and totals wrong") {
		t.Errorf("got %v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
	if dropped, err := w.engine.Clean(t.Context(), orders, true); err != nil || len(dropped) != 1 {
		t.Errorf("forced: %v, %v", dropped, err)
	}
}
