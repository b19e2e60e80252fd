package rebuild_test

import (
	"context"
	"errors"
	"sync/atomic"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

var errFlaky = errors.New("the store does not answer")

// flaky has one call of a port fail: the n-th, from 0.
type flaky struct {
	n     int64
	calls atomic.Int64
}

// fired reports whether there were so many calls.
func (f *flaky) fired() bool { return f.calls.Load() > f.n }

func (f *flaky) call() error {
	if f.calls.Add(1)-1 == f.n {
		return fault.Unavailable(errFlaky)
	}
	return nil
}

// through is one call of a port.
func through[T any](f *flaky, do func() (T, error)) (T, error) {
	if err := f.call(); err != nil {
		var none T
		return none, err
	}
	return do()
}

// flaky is an engine over ports of which the n-th call fails.
func (w *world) flaky(n int) (*rebuild.Engine, *flaky) {
	f := &flaky{n: int64(n)}
	e := *w.engine
	e.Tables, e.Pointers, e.Blobs, e.Log, e.Runs, e.Streams = flakyTables{w.Tables, f}, flakyPointers{w.Control, f}, flakyBlobs{w.Blobs, f}, flakyLog{e.Log, f}, flakyRuns{w, f}, flakyStreams{w.Events, f}
	archive := e.Archive
	e.Archive = func(ctx context.Context) error {
		if err := f.call(); err != nil {
			return err
		}
		return archive(ctx)
	}
	p := w.Projector()
	p.Tables, p.Streams = e.Tables, e.Streams
	p.Retries = retry.Policy{Tries: 10}
	e.Projector = p
	e.Settings.Workers = 1
	return &e, f
}

type page struct {
	records []projection.Record
	next    string
}

type flakyTables struct {
	rebuild.Tables
	f *flaky
}

func (t flakyTables) Create(ctx context.Context, table projection.Table) error {
	_, err := through(t.f, func() (bool, error) { return true, t.Tables.Create(ctx, table) })
	return err
}

func (t flakyTables) Drop(ctx context.Context, table projection.Table) error {
	_, err := through(t.f, func() (bool, error) { return true, t.Tables.Drop(ctx, table) })
	return err
}

func (t flakyTables) PutPart(ctx context.Context, table projection.Table, p projection.BulkPart) (int, error) {
	return through(t.f, func() (int, error) { return t.Tables.PutPart(ctx, table, p) })
}

func (t flakyTables) Finish(ctx context.Context, table projection.Table) error {
	_, err := through(t.f, func() (bool, error) { return true, t.Tables.Finish(ctx, table) })
	return err
}

func (t flakyTables) Records(ctx context.Context, table projection.Table, streams []string) (map[string]projection.Record, error) {
	return through(t.f, func() (map[string]projection.Record, error) { return t.Tables.Records(ctx, table, streams) })
}

func (t flakyTables) Write(ctx context.Context, table projection.Table, c []projection.Change) ([]string, error) {
	return through(t.f, func() ([]string, error) { return t.Tables.Write(ctx, table, c) })
}

func (t flakyTables) Scan(ctx context.Context, table projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	p, err := through(t.f, func() (page, error) {
		records, next, err := t.Tables.Scan(ctx, table, part, cursor, limit)
		return page{records, next}, err
	})
	return p.records, p.next, err
}

func (t flakyTables) Totals(ctx context.Context, table projection.Table) (map[string]map[string]int64, error) {
	return through(t.f, func() (map[string]map[string]int64, error) { return t.Tables.Totals(ctx, table) })
}

type flakyPointers struct {
	projection.Pointers
	f *flaky
}

func (p flakyPointers) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	return through(p.f, func() (projection.Pointer, error) { return p.Pointers.Pointer(ctx, name) })
}

func (p flakyPointers) SetPointer(ctx context.Context, pointer projection.Pointer) error {
	_, err := through(p.f, func() (bool, error) { return true, p.Pointers.SetPointer(ctx, pointer) })
	return err
}

type flakyBlobs struct {
	eventlog.Blobs
	f *flaky
}

func (b flakyBlobs) Put(ctx context.Context, key string, data []byte) error {
	_, err := through(b.f, func() (bool, error) { return true, b.Blobs.Put(ctx, key, data) })
	return err
}

func (b flakyBlobs) Get(ctx context.Context, key string) ([]byte, error) {
	return through(b.f, func() ([]byte, error) { return b.Blobs.Get(ctx, key) })
}

func (b flakyBlobs) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Blob, error) {
	return through(b.f, func() ([]eventlog.Blob, error) { return b.Blobs.List(ctx, prefix, after, limit) })
}

type flakyLog struct {
	rebuild.Log
	f *flaky
}

func (l flakyLog) Head(ctx context.Context) (eventlog.Head, error) {
	return through(l.f, func() (eventlog.Head, error) { return l.Log.Head(ctx) })
}

func (l flakyLog) WholeHead(ctx context.Context) (eventlog.Head, error) {
	return through(l.f, func() (eventlog.Head, error) { return l.Log.WholeHead(ctx) })
}

func (l flakyLog) Manifests(ctx context.Context, after, upTo uint64, each func(*eventlog.Manifest) error) error {
	_, err := through(l.f, func() (bool, error) { return true, l.Log.Manifests(ctx, after, upTo, each) })
	return err
}

func (l flakyLog) ReadFrame(ctx context.Context, m *eventlog.Manifest, frame eventlog.Frame, buf []byte) ([]byte, error) {
	return through(l.f, func() ([]byte, error) { return l.Log.ReadFrame(ctx, m, frame, buf) })
}

func (l flakyLog) Events(ctx context.Context, after, upTo uint64, each func(uint64, *event.Event) error) error {
	_, err := through(l.f, func() (bool, error) { return true, l.Log.Events(ctx, after, upTo, each) })
	return err
}

func (l flakyLog) Holding(ctx context.Context, streams []string) (map[string]bool, error) {
	return through(l.f, func() (map[string]bool, error) { return l.Log.Holding(ctx, streams) })
}

type flakyRuns struct {
	rebuild.Runs
	f *flaky
}

func (r flakyRuns) Running(ctx context.Context, id string) (bool, error) {
	return through(r.f, func() (bool, error) { return r.Runs.Running(ctx, id) })
}

type flakyStreams struct {
	events rebuild.Streams
	f      *flaky
}

func (s flakyStreams) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	return through(s.f, func() ([]event.Event, error) { return s.events.Load(ctx, stream, after) })
}

func (s flakyStreams) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	return through(s.f, func() (map[string][]event.Event, error) { return s.events.LoadMany(ctx, streams) })
}

func (s flakyStreams) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	type names struct {
		all  []string
		next string
	}
	n, err := through(s.f, func() (names, error) {
		all, next, err := s.events.Streams(ctx, part, cursor, limit)
		return names{all, next}, err
	})
	return n.all, n.next, err
}
