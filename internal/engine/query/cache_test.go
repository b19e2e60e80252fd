package query

import (
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
)

// keeping is a fixture whose lists are kept, on a clock of its own.
func keeping(t *testing.T, most int) (f *fixture, clock *time.Time) {
	f, at := newFixture(t), now()
	clock = &at
	reader := *f.Reader
	reader.Now = func() time.Time { return *clock }
	reader.Pointers = &projection.CachedPointers{Source: f.control, TTL: time.Second, Now: reader.Now}
	reader.Cache = &Cache{TTL: time.Minute, Most: most}
	view := readmodel.OrdersView()
	view.Kept = true
	f.Queries = reader.Of(view)
	f.ensure()
	return f, clock
}

func (f *fixture) place(id string) {
	f.t.Helper()
	f.project(f.append(id, now(), order.Placed{OrderID: id, Total: 780}))
}

// listed is how many rows the list of a day has.
func (f *fixture) listed(day string) int {
	f.t.Helper()
	rows, err := f.All(f.t.Context(), day)
	if err != nil {
		f.t.Fatal(err)
	}
	return len(rows)
}

func TestAListIsKeptUntilItIsOld(t *testing.T) {
	t.Parallel()
	f, clock := keeping(t, 0)
	today := now().Add(9 * time.Hour).Format("2006-01-02")
	f.place("o1")
	for i, step := range []struct {
		wait   time.Duration
		change func()
		want   int
	}{
		{0, func() {}, 1},
		{59 * time.Second, func() { f.place("o2") }, 1},
		{time.Second, func() {}, 2},
		{time.Second, func() { f.place("o3") }, 2},
		{2 * time.Second, f.renew, 3},
	} {
		*clock = clock.Add(step.wait)
		if step.change(); f.listed(today) != step.want {
			t.Errorf("step %d: %d rows, want %d", i+1, f.listed(today), step.want)
		}
	}
}

// renew raises the generation, and passes the time in which pointers are kept.
func (f *fixture) renew() {
	f.t.Helper()
	if _, err := Renew(f.t.Context(), f.control, readmodel.OrdersName); err != nil {
		f.t.Fatal(err)
	}
}

func TestAListOfAnotherTableVersionIsReadAnew(t *testing.T) {
	t.Parallel()
	f, clock := keeping(t, 0)
	today := now().Add(9 * time.Hour).Format("2006-01-02")
	f.place("o1")
	if n := f.listed(today); n != 1 {
		t.Fatal(n)
	}
	if err := f.tables.Create(t.Context(), projection.Table{Projection: readmodel.OrdersName, Version: 2}); err != nil {
		t.Fatal(err)
	}
	_, err := projection.ChangePointer(t.Context(), f.control, readmodel.OrdersName, func(p *projection.Pointer) (bool, error) {
		p.Versions = []projection.Version{{Number: 2, Revision: 2, State: projection.Active}}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	*clock = clock.Add(2 * time.Second)
	if n := f.listed(today); n != 0 {
		t.Errorf("%d rows of the version before", n)
	}
}

func TestOnlySoManyListsAreKept(t *testing.T) {
	t.Parallel()
	f, clock := keeping(t, 3)
	for i := range 10 {
		*clock = clock.Add(time.Millisecond)
		f.listed(fmt.Sprintf("2026-01-%02d", i+1))
		if n := len(f.Cache.lists); n > 3 {
			t.Fatalf("%d lists are kept", n)
		}
	}
	if _, ok := f.Cache.lists[listKey{readmodel.OrdersName, "2026-01-10"}]; !ok {
		t.Error("the newest was dropped")
	}
}
