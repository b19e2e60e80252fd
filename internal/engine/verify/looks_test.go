package verify_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// opening counts the snapshots that are open.
type opening struct {
	flakySnapshots
	open *int
}

func (o opening) Snapshot(ctx context.Context, t projection.Table) (projection.Snapshot, error) {
	s, err := o.flakySnapshots.Snapshot(ctx, t)
	if err == nil {
		*o.open++
	}
	return closing{s, o.open}, err
}

type closing struct {
	projection.Snapshot
	open *int
}

func (c closing) Close() error { *c.open--; return c.Snapshot.Close() }

func TestEverySnapshotIsClosedAndPagesAreNotReadBesides(t *testing.T) {
	t.Parallel()
	for n := -1; ; n++ {
		w, older := ailing(t)
		v, f := w.flaky(n, true)
		open := 0
		v.Tables = opening{v.Tables.(flakySnapshots), &open}
		v.Streams = pageless{v.Streams.(flakyStreams), t}
		_, err := v.Rows(t.Context(), orders, table, verify.Options{Against: &older})
		if open != 0 {
			t.Errorf("%d snapshots are open after call %d failed: %v", open, n, err)
		}
		if n >= 0 && f.calls <= n {
			return
		}
	}
}

// pageless is asked for no list of streams.
type pageless struct {
	flakyStreams
	t *testing.T
}

func (p pageless) Streams(context.Context, eventstore.Part, string, int) ([]string, string, error) {
	p.t.Error("streams are listed, though the stores are read side by side")
	return nil, "", nil
}

func TestAStreamOfAnotherProjectionIsNotMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("o1")
	if err := w.Events.Append(t.Context(), "product-p1", 0, []event.Event{{ID: "p", Type: "ProductAdded", OccurredAt: start, Schema: 1, Payload: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	for _, snapshots := range []bool{false, true} {
		if r := w.verify(w.verifier(snapshots), verify.Options{}); !r.Sound() || r.Streams != 1 || r.Rows != 1 {
			t.Errorf("snapshots %t: %+v", snapshots, r)
		}
	}
}

func TestAnOlderVersionThatCannotBeReadIsNotComparedAndTheNewerOneMust(t *testing.T) {
	t.Parallel()
	gone := projection.Table{Projection: orders.Name, Version: 9}
	for _, snapshots := range []bool{false, true} {
		w := newWorld(t)
		w.order("o1")
		found, err := w.verifier(snapshots).Rows(t.Context(), orders, table, verify.Options{Against: &gone})
		if err != nil || found.Rows != 1 {
			t.Fatalf("snapshots %t: %+v, %v", snapshots, found, err)
		}
		if diff := cmp.Diff(&verify.Comparison{Unreadable: found.Comparison.Unreadable}, found.Comparison); diff != "" || found.Comparison.Unreadable == "" {
			t.Errorf("snapshots %t (-want +got):\n%s", snapshots, diff)
		}
		if found, err := w.verifier(snapshots).Rows(t.Context(), orders, gone, verify.Options{Against: &table}); !errors.Is(err, projection.ErrNoTable) {
			t.Errorf("snapshots %t: the newer one is gone: %+v, %v", snapshots, found, err)
		}
	}
}

// oneDamaged has snapshots of all tables but one.
type oneDamaged struct {
	*memory.Tables
	older projection.Table
}

func (d oneDamaged) Snapshot(ctx context.Context, t projection.Table) (projection.Snapshot, error) {
	if t == d.older {
		return nil, projection.ErrDamaged
	}
	return d.Tables.Snapshot(ctx, t)
}

func TestNoRowIsNewComparedWithADamagedVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("o1")
	older := projection.Table{Projection: orders.Name, Version: 9}
	if err := w.Tables.Create(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	v := w.verifier(true)
	v.Tables = oneDamaged{w.Tables, older}
	found, err := v.Rows(t.Context(), orders, table, verify.Options{Against: &older})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&verify.Comparison{Unreadable: projection.ErrDamaged.Error()}, found.Comparison); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// between calls something once, when the streams were looked for and the rows are still to come.
type between struct {
	onlyStore
	do func()
}

func (b *between) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	if b.do != nil {
		b.do()
		b.do = nil
	}
	return b.onlyStore.Scan(ctx, t, part, cursor, limit)
}

// A row that is missing, and behind once it has come up, is looked at again once, when the last
// of all those that wait have had their time.
func TestWhatWaitsIsLookedAtOnceAfterTheTimeOfTheLast(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"a", "c"} { // before the other one by name, and behind it
		w := newWorld(t)
		now := start.Time()
		v := w.verifier(false)
		v.LagBound, v.Workers, v.Now = time.Minute, 1, func() time.Time { return now }
		var slept []time.Duration
		v.Sleep = func(_ context.Context, d time.Duration) error { slept = append(slept, d); return nil }
		first := w.Append(late, order.Placed{OrderID: late, Total: 1}, order.Paid{OrderID: late, PaidAt: start, Method: order.MethodCash})
		w.Append("b", order.Placed{OrderID: "b", Total: 1})
		v.Tables = &between{onlyStore{w.Tables}, func() {
			w.project(first[:1])
			now = now.Add(40 * time.Second)
		}}
		r := w.verify(v, verify.Options{})
		if r.Counts[verify.Stale] != 1 || r.Counts[verify.Missing] != 1 || r.Found() != 2 {
			t.Errorf("found %v: %+v", r.Counts, r.Problems)
		}
		if len(slept) == 0 || slept[0] != time.Minute {
			t.Errorf("waited %v, want a minute first", slept)
		}
	}
}

// crowd is a store of so many streams, or rows, that not all can wait for their second look.
type crowd struct {
	onlyStore
	streams, rows int
}

func (c crowd) name(i int) string { return fmt.Sprintf("order-%07d", i) }

func (c crowd) page(cursor string, count, limit int) (from, to int, next string) {
	fmt.Sscan(cursor, &from)
	if to = min(from+limit, count); to < count {
		next = fmt.Sprint(to)
	}
	return from, to, next
}

func (c crowd) Streams(_ context.Context, _ eventstore.Part, cursor string, limit int) (names []string, next string, err error) {
	from, to, next := c.page(cursor, c.streams, limit)
	for i := from; i < to; i++ {
		names = append(names, c.name(i))
	}
	return names, next, nil
}

func (c crowd) Scan(_ context.Context, _ projection.Table, _ eventstore.Part, cursor string, limit int) (rows []projection.Record, next string, err error) {
	from, to, next := c.page(cursor, c.rows, limit)
	for i := from; i < to; i++ {
		rows = append(rows, projection.Record{Stream: c.name(i), Version: 1, Data: []byte(`{}`)})
	}
	return rows, next, nil
}

func (crowd) Load(context.Context, string, uint64) ([]event.Event, error) { return nil, nil }

func (crowd) LoadMany(context.Context, []string) (map[string][]event.Event, error) { return nil, nil }

func TestALookInTheMiddleThatFailsEndsTheVerification(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]crowd{"missing rows": {streams: 100_600}, "rows without a stream": {rows: 100_600}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.onlyStore = onlyStore{w.Tables}
			v := w.verifier(false)
			v.Tables, v.Streams, v.Workers = c, c, 1
			looks := 0
			v.Sleep = func(context.Context, time.Duration) error {
				if looks++; looks == 1 {
					return errDisk
				}
				return nil
			}
			if _, err := v.Rows(t.Context(), orders, table, verify.Options{}); !errors.Is(err, errDisk) || looks != 1 {
				t.Errorf("%d looks, then %v", looks, err)
			}
		})
	}
}
