package rebuild_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

var errCut = errors.New("the process was cut off")

// cutter lets so many calls of ports through; after that the process is dead: every call
// fails, before or after it has taken effect.
type cutter struct {
	left  atomic.Int64
	after bool // the call that is cut has its effect
}

// call is one call of a port.
func (c *cutter) call(do func() error) error {
	n := c.left.Add(-1)
	if n < 0 && (!c.after || n < -1) {
		return fault.Unavailable(errCut)
	}
	err := do()
	if n < 0 {
		return fault.Unavailable(errCut)
	}
	return err
}

type cutTables struct {
	rebuild.Tables
	*cutter
}

func (t cutTables) Create(ctx context.Context, table projection.Table) error {
	return t.call(func() error { return t.Tables.Create(ctx, table) })
}

func (t cutTables) Drop(ctx context.Context, table projection.Table) error {
	return t.call(func() error { return t.Tables.Drop(ctx, table) })
}

func (t cutTables) PutPart(ctx context.Context, table projection.Table, p projection.BulkPart) (rows int, err error) {
	err = t.call(func() error { rows, err = t.Tables.PutPart(ctx, table, p); return err })
	return rows, err
}

func (t cutTables) Finish(ctx context.Context, table projection.Table) error {
	return t.call(func() error { return t.Tables.Finish(ctx, table) })
}

func (t cutTables) Write(ctx context.Context, table projection.Table, c []projection.Change) (late []string, err error) {
	err = t.call(func() error { late, err = t.Tables.Write(ctx, table, c); return err })
	return late, err
}

func (t cutTables) Scan(ctx context.Context, table projection.Table, part eventstore.Part, cursor string, limit int) (r []projection.Record, next string, err error) {
	err = t.call(func() error { r, next, err = t.Tables.Scan(ctx, table, part, cursor, limit); return err })
	return r, next, err
}

type cutPointers struct {
	projection.Pointers
	*cutter
}

func (p cutPointers) Pointer(ctx context.Context, name string) (pointer projection.Pointer, err error) {
	err = p.call(func() error { pointer, err = p.Pointers.Pointer(ctx, name); return err })
	return pointer, err
}

func (p cutPointers) SetPointer(ctx context.Context, pointer projection.Pointer) error {
	return p.call(func() error { return p.Pointers.SetPointer(ctx, pointer) })
}

type cutBlobs struct {
	eventlog.Blobs
	*cutter
}

func (b cutBlobs) Put(ctx context.Context, key string, data []byte) error {
	return b.call(func() error { return b.Blobs.Put(ctx, key, data) })
}

func (b cutBlobs) Get(ctx context.Context, key string) (data []byte, err error) {
	err = b.call(func() error { data, err = b.Blobs.Get(ctx, key); return err })
	return data, err
}

type cutLog struct {
	rebuild.Log
	*cutter
}

func (l cutLog) ReadFrame(ctx context.Context, m *eventlog.Manifest, f eventlog.Frame, buf []byte) (lines []byte, err error) {
	err = l.call(func() error { lines, err = l.Log.ReadFrame(ctx, m, f, buf); return err })
	return lines, err
}

func (l cutLog) Events(ctx context.Context, after, upTo uint64, f func(uint64, *event.Event) error) error {
	return l.call(func() error { return l.Log.Events(ctx, after, upTo, f) })
}

// cut is a driver whose process dies at its n-th call.
func (w *world) cut(n int, after bool) *rebuild.Driver {
	c := &cutter{after: after}
	c.left.Store(int64(n))
	e := *w.engine
	e.Tables, e.Pointers, e.Blobs, e.Log = cutTables{w.Tables, c}, cutPointers{w.Control, c}, cutBlobs{w.Blobs, c}, cutLog{e.Log, c}
	p := w.Projector()
	p.Tables = e.Tables
	e.Projector = p
	e.Settings.Workers = 1
	return &rebuild.Driver{Engine: &e, Workers: 1}
}

// A process that dies at any call leaves readers what they had, or what they were switched
// to, and nothing that keeps the next run from working.
func TestARunCutOffAnywhereDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			w := serving(t, 12)
			r := request()
			r.Soak = new(rebuild.Seconds)
			w.engine.Settings.PointerTTL = 0
			_, err := w.cut(n, after).Run(t.Context(), "cut", r)
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) {
				t.Fatalf("cut at call %d: %v", n, err)
			}
			active, ok := w.Pointer(orders).ActiveVersion()
			if !ok {
				t.Fatalf("cut at call %d: no active version", n)
			}
			w.lives("b", 3)
			w.MustProject()
			w.wantFolded(version(active.Number))
			run := w.mustRun("next", r)
			w.wantFolded(version(run.ToVersion))
			w.wantStates(map[int]projection.State{run.ToVersion: projection.Active})
			w.wantNoTables(run.ToVersion)
			if t.Failed() {
				t.Fatalf("cut at call %d, after its effect: %v", n, after)
			}
		}
	}
}

// wantNoTables wants every version but one to be gone.
func (w *world) wantNoTables(but int) {
	w.TB.Helper()
	for number := 1; number < w.Pointer(orders).Next; number++ {
		_, err := w.Tables.Totals(context.Background(), version(number))
		if number != but && !errors.Is(err, projection.ErrNoTable) {
			w.TB.Errorf("table version %d is left behind: %v", number, err)
		}
	}
}

// A run that was cut off goes on where it was, if it was not abandoned.
func TestARunThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	for n := 3; ; n++ {
		w := serving(t, 12)
		if _, err := w.cut(n, n%2 == 0).Run(t.Context(), "cut", request()); err == nil {
			return
		}
		w.lives("b", 3)
		w.MustProject()
		run, err := w.driver().Resume(t.Context(), orders, "cut")
		if errors.Is(err, rebuild.ErrRefused) {
			continue // it had not begun
		}
		if err != nil {
			t.Fatalf("cut at call %d: %v", n, err)
		}
		w.MustProject()
		w.wantFolded(version(run.ToVersion))
		w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
		if t.Failed() {
			t.Fatalf("cut at call %d", n)
		}
	}
}

// A stopped run takes its version away, whichever step it was in.
func TestAStoppedRunTakesItsVersionAway(t *testing.T) {
	t.Parallel()
	for _, step := range []rebuild.Step{"Plan", "Replay", "CatchUp", "Verify", "Approve"} {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			w := serving(t, 30)
			ctx, stop := context.WithCancel(t.Context())
			w.engine.Log = &stoppingLog{Log: w.engine.Log, stop: stop, at: map[rebuild.Step]int{"Plan": 1, "CatchUp": 2}[step]}
			w.engine.Progress = func(p rebuild.Progress) {
				if p.Step == step {
					stop()
				}
			}
			d := w.driver()
			r := request()
			r.Approve = true
			d.Approve = func(context.Context, rebuild.Run) (rebuild.Decision, error) {
				if step != "Approve" {
					t.Error("the run was not stopped before")
				}
				stop()
				return rebuild.Decision{}, ctx.Err()
			}
			if _, err := d.Run(ctx, "r1", r); err == nil {
				t.Fatal("the run went on")
			}
			w.wantStates(map[int]projection.State{1: projection.Active})
			w.wantNoTables(1)
			w.engine.Log = &eventlog.Reader{Ledger: w.Ledger, Blobs: w.Blobs}
			w.mustRun("r2", request())
		})
	}
}

// stoppingLog stops the run when its head is read for the at-th time: Plan reads it first, then
// CatchUp.
type stoppingLog struct {
	rebuild.Log
	stop      func()
	at, reads int
}

func (l *stoppingLog) Head(ctx context.Context) (eventlog.Head, error) {
	if l.reads++; l.reads == l.at {
		l.stop()
		return eventlog.Head{}, ctx.Err()
	}
	return l.Log.Head(ctx)
}
