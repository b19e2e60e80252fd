package verify_test

import (
	"bytes"
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
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/store/memory"
)

// flaky has one call of a port fail: the n-th, from 0.
type flaky struct{ n, calls int }

func (f *flaky) call() error {
	if f.calls++; f.calls-1 == f.n {
		return errDisk
	}
	return nil
}

// flakyTables is a store of tables without snapshots.
type flakyTables struct {
	projection.Store
	f *flaky
}

func (s flakyTables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	return s.Store.Records(ctx, t, streams)
}

func (s flakyTables) Write(ctx context.Context, t projection.Table, c []projection.Change) ([]string, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	return s.Store.Write(ctx, t, c)
}

func (s flakyTables) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	if err := s.f.call(); err != nil {
		return projection.Record{}, err
	}
	return s.Store.Record(ctx, t, stream)
}

func (s flakyTables) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	if err := s.f.call(); err != nil {
		return nil, "", err
	}
	return s.Store.Scan(ctx, t, part, cursor, limit)
}

func (s flakyTables) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	return s.Store.Totals(ctx, t)
}

// flakySnapshots is one with them.
type flakySnapshots struct {
	flakyTables
	tables *memory.Tables
}

func (s flakySnapshots) Snapshot(ctx context.Context, t projection.Table) (projection.Snapshot, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	snapshot, err := s.tables.Snapshot(ctx, t)
	return flakySnapshot{snapshot, s.f}, err
}

type flakySnapshot struct {
	projection.Snapshot
	f *flaky
}

func (s flakySnapshot) Scan(ctx context.Context, cursor string, limit int) ([]projection.Record, string, error) {
	if err := s.f.call(); err != nil {
		return nil, "", err
	}
	return s.Snapshot.Scan(ctx, cursor, limit)
}

func (s flakySnapshot) Totals(ctx context.Context) (map[string]map[string]int64, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	return s.Snapshot.Totals(ctx)
}

func (s flakySnapshot) Close() error {
	return errors.Join(s.f.call(), s.Snapshot.Close())
}

type flakyStreams struct {
	*memory.Events
	f       *flaky
	longest int // of a stretch that Range reads; 0 for no bound
}

func (s flakyStreams) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	return s.Events.Load(ctx, stream, after)
}

func (s flakyStreams) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	if err := s.f.call(); err != nil {
		return nil, err
	}
	return s.Events.LoadMany(ctx, streams)
}

func (s flakyStreams) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	if err := s.f.call(); err != nil {
		return nil, "", err
	}
	return s.Events.Streams(ctx, part, cursor, limit)
}

func (s flakyStreams) Range(ctx context.Context, after, upTo string, limit int) ([]event.Event, string, error) {
	if err := s.f.call(); err != nil {
		return nil, "", err
	}
	if s.longest > 0 {
		limit = min(limit, s.longest)
	}
	return s.Events.Range(ctx, after, upTo, limit)
}

// nothingInLog is a log without events.
type nothingInLog struct{ f *flaky }

func (l nothingInLog) Holding(context.Context, []string) (map[string]bool, error) {
	return nil, l.f.call()
}

func (l nothingInLog) Differing(context.Context, eventstore.Loader, []string) (map[string]string, error) {
	return nil, l.f.call()
}

type flakyPointers struct {
	projection.Pointers
	f *flaky
}

func (p flakyPointers) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	if err := p.f.call(); err != nil {
		return projection.Pointer{}, err
	}
	return p.Pointers.Pointer(ctx, name)
}

// flaky is a verifier over ports of which the n-th call fails.
func (w *world) flaky(n int, snapshots bool) (*verify.Verifier, *flaky) {
	f := &flaky{n: n}
	tables := flakyTables{onlyStore{w.Tables}, f}
	v := w.verifier(false)
	v.Tables, v.Streams, v.Log, v.Workers = tables, flakyStreams{w.Events, f, 0}, nothingInLog{f}, 1
	if snapshots {
		v.Tables = flakySnapshots{tables, w.Tables}
	}
	v.Sleep = func(context.Context, time.Duration) error { return f.call() }
	v.Projector = w.newProjector()
	v.Projector.Tables, v.Projector.Streams = v.Tables, v.Streams
	return v, f
}

// ailing is a world with a row of every kind that is not as it should be, and an older version.
func ailing(t *testing.T) (*world, projection.Table) {
	t.Helper()
	w := newWorld(t)
	older := projection.Table{Projection: orders.Name, Version: 2}
	for i := range 12 {
		w.order(fmt.Sprintf("o%02d", i))
	}
	if err := w.Tables.Create(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	if err := w.projector.Heal(t.Context(), orders, older, []string{"order-o01", "order-o02"}); err != nil {
		t.Fatal(err)
	}
	w.edit("order-o03", inmemory.Erase)
	w.Append("o04", order.PreparationStarted{OrderID: "o04"})
	w.Append("new", order.Placed{OrderID: "new", Total: 5})
	w.edit("order-o05", func(c *projection.Change) { c.Data = bytes.Replace(c.Data, []byte("780"), []byte("781"), 1) })
	w.edit("order-nobody", func(c *projection.Change) { c.Version, c.Data = 1, []byte(`{"orderId":"nobody"}`) })
	return w, older
}

func TestAVerificationOfWhichOneCallFailsSaysSoOrIsRight(t *testing.T) {
	t.Parallel()
	whole := func(v *verify.Verifier, o verify.Options, _ projection.Table) (any, error) {
		return v.Table(t.Context(), orders, table, o)
	}
	compared := func(v *verify.Verifier, o verify.Options, older projection.Table) (any, error) {
		o.Against = &older
		found, err := v.Rows(t.Context(), orders, table, o)
		if err != nil || found.Comparison.Unreadable != "" { // which the report says
			return nil, err
		}
		return found.Comparison, nil
	}
	for name, c := range map[string]struct {
		do             func(*verify.Verifier, verify.Options, projection.Table) (any, error)
		snapshots, fix bool
	}{
		"of pages": {whole, false, false}, "of pages, with fix": {whole, false, true}, "of snapshots": {whole, true, false}, "of snapshots, with fix": {whole, true, true},
		"against an older version": {compared, false, false}, "against a snapshot of an older version": {compared, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want any
			for n := -1; ; n++ {
				w, older := ailing(t)
				v, f := w.flaky(n, c.snapshots)
				got, err := c.do(v, verify.Options{Fix: c.fix}, older)
				if n < 0 {
					want = got
				}
				if n >= 0 && f.calls <= n {
					if n < 5 {
						t.Errorf("only %d calls", n)
					}
					return
				}
				if err != nil && !errors.Is(err, errDisk) {
					t.Errorf("call %d failed, and what comes is %v", n, err)
				}
				if diff := cmp.Diff(want, got); err == nil && got != nil && diff != "" {
					t.Errorf("call %d failed, and the report is another (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

// A stretch of rows whose streams have more events than are read at once is compared as any other.
func TestALongStretchOfEventsIsComparedInParts(t *testing.T) {
	t.Parallel()
	for _, longest := range []int{1, 2, 3, 7, 100} {
		w, _ := ailing(t)
		v, _ := w.flaky(-1, true)
		want := w.verify(v, verify.Options{})
		v.Streams = flakyStreams{w.Events, &flaky{n: -1}, longest}
		if diff := cmp.Diff(want, w.verify(v, verify.Options{})); diff != "" {
			t.Errorf("%d events at once (-want +got):\n%s", longest, diff)
		}
		if want.Found() != 5 || want.Streams != 13 {
			t.Errorf("found %+v in %d streams", want.Counts, want.Streams)
		}
	}
}

func TestAnExplanationOfWhichOneCallFailsFails(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		w, _ := ailing(t)
		v, f := w.flaky(n, false)
		e := &verify.ReadModels{Verifier: *v, Projections: model.Projections{orders}, Pointers: flakyPointers{w.Control, f}}
		_, err := e.Explain(t.Context(), orders.Name, "o05")
		if f.calls <= n {
			if err != nil || n == 0 {
				t.Errorf("%d calls, then %v", n, err)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Errorf("call %d failed, and what comes is %v", n, err)
		}
	}
}
