package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/event"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
)

// streams is the event store as a process sees it.
type streams struct {
	eventstore.Store
	by *process
}

func (s streams) Load(ctx context.Context, stream string, after uint64) (events []event.Event, err error) {
	err = s.by.pass(ctx, reads, "load "+stream, func(ctx context.Context) error {
		events, err = s.Store.Load(ctx, stream, after)
		return err
	})
	return events, err
}

func (s streams) LoadMany(ctx context.Context, names []string) (found map[string][]event.Event, err error) {
	err = s.by.pass(ctx, reads, "load "+strings.Join(names, " "), func(ctx context.Context) error {
		found, err = s.Store.LoadMany(ctx, names)
		return err
	})
	return found, err
}

func (s streams) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) (names []string, next string, err error) {
	err = s.by.pass(ctx, reads, fmt.Sprintf("streams %d/%d after %q", part.Index, part.Count, cursor), func(ctx context.Context) error {
		names, next, err = s.Store.Streams(ctx, part, cursor, limit)
		return err
	})
	return names, next, err
}

func (s streams) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	return s.by.pass(ctx, writes, fmt.Sprintf("append %s@%d %s", stream, expected, events[0].Type), func(ctx context.Context) error {
		return s.Store.Append(ctx, stream, expected, events)
	})
}

// ordered is streams of a store that keeps them in order.
type ordered struct {
	streams
	of eventstore.Ranger
}

func (s ordered) Range(ctx context.Context, after, upTo string, limit int) (events []event.Event, next string, err error) {
	err = s.by.pass(ctx, reads, fmt.Sprintf("events of streams after %q up to %q", after, upTo), func(ctx context.Context) error {
		events, next, err = s.of.Range(ctx, after, upTo, limit)
		return err
	})
	return events, next, err
}

// tables is the read model's store as a process sees it.
type tables struct {
	projection.Store
	by *process
}

func (s tables) Create(ctx context.Context, t projection.Table) error {
	return s.by.pass(ctx, administers, "create "+t.String(), func(ctx context.Context) error { return s.Store.Create(ctx, t) })
}

func (s tables) Drop(ctx context.Context, t projection.Table) error {
	return s.by.pass(ctx, administers, "drop "+t.String(), func(ctx context.Context) error { return s.Store.Drop(ctx, t) })
}

func (s tables) Records(ctx context.Context, t projection.Table, names []string) (found map[string]projection.Record, err error) {
	err = s.by.pass(ctx, reads, "rows "+t.String()+" "+strings.Join(names, " "), func(ctx context.Context) error {
		found, err = s.Store.Records(ctx, t, names)
		return err
	})
	return found, err
}

func (s tables) Write(ctx context.Context, t projection.Table, changes []projection.Change) (late []string, err error) {
	err = s.by.pass(ctx, writes, "write "+t.String()+rowNames(changes), func(ctx context.Context) error {
		late, err = s.Store.Write(ctx, t, changes)
		if len(late) > 0 {
			s.by.s.count("late write")
		}
		return err
	})
	return late, err
}

func rowNames(changes []projection.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, " %s@%d", c.Stream, c.Version)
	}
	return b.String()
}

func (s tables) Record(ctx context.Context, t projection.Table, stream string) (r projection.Record, err error) {
	err = s.by.pass(ctx, reads, "row "+t.String()+" "+stream, func(ctx context.Context) error {
		r, err = s.Store.Record(ctx, t, stream)
		return err
	})
	return r, err
}

func (s tables) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) (rows []projection.Record, next string, err error) {
	err = s.by.pass(ctx, reads, fmt.Sprintf("scan %s %d/%d after %q", t, part.Index, part.Count, cursor), func(ctx context.Context) error {
		rows, next, err = s.Store.Scan(ctx, t, part, cursor, limit)
		return err
	})
	return rows, next, err
}

func (s tables) ParkedRecords(ctx context.Context, t projection.Table, cursor string, limit int) (rows []projection.Record, next string, err error) {
	err = s.by.pass(ctx, reads, fmt.Sprintf("parked %s after %q", t, cursor), func(ctx context.Context) error {
		rows, next, err = s.Store.ParkedRecords(ctx, t, cursor, limit)
		return err
	})
	return rows, next, err
}

func (s tables) Totals(ctx context.Context, t projection.Table) (totals map[string]map[string]int64, err error) {
	err = s.by.pass(ctx, reads, "totals "+t.String(), func(ctx context.Context) error {
		totals, err = s.Store.Totals(ctx, t)
		return err
	})
	return totals, err
}

// pointers is the store of pointers as a process sees it.
type pointers struct {
	projection.Pointers
	by *process
	w  *world
}

func (s pointers) Pointer(ctx context.Context, name string) (p projection.Pointer, err error) {
	err = s.by.pass(ctx, reads, "pointer "+name, func(ctx context.Context) error {
		p, err = s.Pointers.Pointer(ctx, name)
		return err
	})
	return p, err
}

func (s pointers) SetPointer(ctx context.Context, p projection.Pointer) error {
	return s.by.pass(ctx, writes, "set pointer "+describe(p), func(ctx context.Context) error {
		before, _ := s.Pointers.Pointer(ctx, p.Projection)
		err := s.Pointers.SetPointer(ctx, p)
		if err == nil {
			s.w.pointerMoved(before, p)
		}
		return err
	})
}

func describe(p projection.Pointer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s#%d", p.Projection, p.Changes+1)
	for _, v := range p.Versions {
		fmt.Fprintf(&b, " v%d:%s", v.Number, v.State)
		if v.Joined {
			b.WriteString("+joined")
		}
	}
	return b.String()
}

// checkpoints is the store of checkpoints as a process sees it.
type checkpoints struct {
	projection.Checkpoints
	by *process
}

func (s checkpoints) Checkpoint(ctx context.Context, reader string) (c projection.Checkpoint, err error) {
	err = s.by.pass(ctx, reads, "checkpoint "+reader, func(ctx context.Context) error {
		c, err = s.Checkpoints.Checkpoint(ctx, reader)
		return err
	})
	return c, err
}

func (s checkpoints) SetCheckpoint(ctx context.Context, reader string, c projection.Checkpoint) error {
	return s.by.pass(ctx, writes, "set checkpoint "+reader+" "+c.Cursor, func(ctx context.Context) error {
		return s.Checkpoints.SetCheckpoint(ctx, reader, c)
	})
}

// ledger is the log's control records as a process sees them.
type ledger struct {
	eventlog.Ledger
	by *process
}

func (s ledger) Head(ctx context.Context) (h eventlog.Head, err error) {
	err = s.by.pass(ctx, reads, "head", func(ctx context.Context) error {
		h, err = s.Ledger.Head(ctx)
		return err
	})
	return h, err
}

func (s ledger) Claimed(ctx context.Context, source string) (c eventlog.Claim, err error) {
	err = s.by.pass(ctx, reads, "claimed "+source, func(ctx context.Context) error {
		c, err = s.Ledger.Claimed(ctx, source)
		return err
	})
	return c, err
}

func (s ledger) Commit(ctx context.Context, c eventlog.Commit) error {
	return s.by.pass(ctx, writes, fmt.Sprintf("commit %d to %d of %s", c.Manifest.First, c.Manifest.Last, c.Source), func(ctx context.Context) error {
		err := s.Ledger.Commit(ctx, c)
		switch {
		case errors.Is(err, eventlog.ErrHeadMoved):
			s.by.s.count("head moved")
		case errors.Is(err, eventlog.ErrClaimed):
			s.by.s.count("claimed")
		}
		return err
	})
}

func (s ledger) Manifests(ctx context.Context, after uint64, limit int) (page []eventlog.Manifest, err error) {
	err = s.by.pass(ctx, reads, fmt.Sprintf("manifests after %d", after), func(ctx context.Context) error {
		page, err = s.Ledger.Manifests(ctx, after, limit)
		return err
	})
	return page, err
}

// blobs is the store of objects as a process sees it.
type blobs struct {
	eventlog.Blobs
	by *process
}

func (s blobs) Get(ctx context.Context, key string) (data []byte, err error) {
	err = s.by.pass(ctx, reads, "get "+key, func(ctx context.Context) error {
		data, err = s.Blobs.Get(ctx, key)
		return err
	})
	return data, err
}

func (s blobs) GetRange(ctx context.Context, key string, offset, length int64) (data []byte, err error) {
	err = s.by.pass(ctx, reads, fmt.Sprintf("get %s from %d", key, offset), func(ctx context.Context) error {
		data, err = s.Blobs.GetRange(ctx, key, offset, length)
		return err
	})
	return data, err
}

func (s blobs) Put(ctx context.Context, key string, data []byte) error {
	return s.by.pass(ctx, writes, "put "+key, func(ctx context.Context) error { return s.Blobs.Put(ctx, key, data) })
}

func (s blobs) Delete(ctx context.Context, key string) error {
	return s.by.pass(ctx, writes, "delete "+key, func(ctx context.Context) error { return s.Blobs.Delete(ctx, key) })
}

func (s blobs) List(ctx context.Context, prefix, after string, limit int) (page []eventlog.Blob, err error) {
	err = s.by.pass(ctx, reads, "list "+prefix+" after "+after, func(ctx context.Context) error {
		page, err = s.Blobs.List(ctx, prefix, after, limit)
		return err
	})
	return page, err
}
