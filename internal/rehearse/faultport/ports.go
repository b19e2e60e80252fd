package faultport

import (
	"context"
	"fmt"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/event"
)

// Events puts a gate in front of an event store.
type Events struct {
	eventstore.Store
	Gate Gate
}

// Load implements eventstore.Loader.
func (s Events) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	return ask(ctx, s.Gate, "load "+stream, func(ctx context.Context) ([]event.Event, error) { return s.Store.Load(ctx, stream, after) })
}

// LoadMany implements eventstore.Loader.
func (s Events) LoadMany(ctx context.Context, names []string) (map[string][]event.Event, error) {
	return ask(ctx, s.Gate, "load "+strings.Join(names, " "), func(ctx context.Context) (map[string][]event.Event, error) {
		return s.Store.LoadMany(ctx, names)
	})
}

// Streams implements eventstore.Lister.
func (s Events) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	return turn(ctx, s.Gate, fmt.Sprintf("streams %d/%d after %q", part.Index, part.Count, cursor), func(ctx context.Context) ([]string, string, error) {
		return s.Store.Streams(ctx, part, cursor, limit)
	})
}

// Append implements eventstore.Appender.
func (s Events) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	return tell(ctx, s.Gate, Writes, fmt.Sprintf("append %s@%d %s", stream, expected, events[0].Type), func(ctx context.Context) error {
		return s.Store.Append(ctx, stream, expected, events)
	})
}

// Ordered is Events for a store that keeps events in order.
type Ordered struct {
	Events
	Ranger eventstore.Ranger
}

// Range implements eventstore.Ranger.
func (s Ordered) Range(ctx context.Context, after, upTo string, limit int) ([]event.Event, string, error) {
	return turn(ctx, s.Gate, fmt.Sprintf("events of streams after %q up to %q", after, upTo), func(ctx context.Context) ([]event.Event, string, error) {
		return s.Ranger.Range(ctx, after, upTo, limit)
	})
}

// Feed puts a gate in front of a feed.
type Feed struct {
	eventstore.Feed
	Gate Gate
}

// Read implements eventstore.Feed.
func (f Feed) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	return turn(ctx, f.Gate, "feed after "+cursor, func(ctx context.Context) ([]event.Event, string, error) { return f.Feed.Read(ctx, cursor, limit) })
}

// Numbered puts a gate in front of an event store with numbers.
type Numbered struct {
	eventlog.Store
	Gate Gate
}

// Since implements eventlog.Store.
func (s Numbered) Since(ctx context.Context, m eventstore.Mark, limit int) (events []event.Event, last eventstore.Mark, err error) {
	_, err = ask(ctx, s.Gate, fmt.Sprintf("events after %d", m.Number), func(ctx context.Context) ([]event.Event, error) {
		events, last, err = s.Store.Since(ctx, m, limit)
		return events, err
	})
	return events, last, err
}

// Head implements eventlog.Store.
func (s Numbered) Head(ctx context.Context) (uint64, error) {
	return ask(ctx, s.Gate, "newest event", s.Store.Head)
}

// Holds implements eventlog.Store.
func (s Numbered) Holds(ctx context.Context, m eventstore.Mark) error {
	return tell(ctx, s.Gate, Reads, fmt.Sprintf("event %d", m.Number), func(ctx context.Context) error { return s.Store.Holds(ctx, m) })
}

// MarkAfter implements eventlog.Store.
func (s Numbered) MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error) {
	return ask(ctx, s.Gate, fmt.Sprintf("event %d", number+uint64(count)), func(ctx context.Context) (eventstore.Mark, error) {
		return s.Store.MarkAfter(ctx, number, count)
	})
}

// Position puts a gate in front of the record of how far a store has been archived.
type Position struct {
	eventlog.Position
	Gate Gate
}

// Archived implements eventlog.Position.
func (p Position) Archived(ctx context.Context) (eventstore.Mark, error) {
	return ask(ctx, p.Gate, "archived", p.Position.Archived)
}

// SetArchived implements eventlog.Position.
func (p Position) SetArchived(ctx context.Context, m eventstore.Mark) error {
	return tell(ctx, p.Gate, Writes, fmt.Sprintf("set archived %d", m.Number), func(ctx context.Context) error { return p.Position.SetArchived(ctx, m) })
}

// Pointers puts a gate in front of pointers.
type Pointers struct {
	projection.Pointers
	Gate Gate
}

// Pointer implements projection.Pointers.
func (s Pointers) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	return ask(ctx, s.Gate, "pointer "+name, func(ctx context.Context) (projection.Pointer, error) { return s.Pointers.Pointer(ctx, name) })
}

// SetPointer implements projection.Pointers.
func (s Pointers) SetPointer(ctx context.Context, p projection.Pointer) error {
	return tell(ctx, s.Gate, Writes, "set pointer "+Describe(p), func(ctx context.Context) error { return s.Pointers.SetPointer(ctx, p) })
}

// Describe describes a pointer in a few words.
func Describe(p projection.Pointer) string {
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

// Checkpoints puts a gate in front of checkpoints.
type Checkpoints struct {
	projection.Checkpoints
	Gate Gate
}

// Checkpoint implements projection.Checkpoints.
func (s Checkpoints) Checkpoint(ctx context.Context, reader string) (projection.Checkpoint, error) {
	return ask(ctx, s.Gate, "checkpoint "+reader, func(ctx context.Context) (projection.Checkpoint, error) {
		return s.Checkpoints.Checkpoint(ctx, reader)
	})
}

// SetCheckpoint implements projection.Checkpoints.
func (s Checkpoints) SetCheckpoint(ctx context.Context, reader string, c projection.Checkpoint) error {
	return tell(ctx, s.Gate, Writes, "set checkpoint "+reader+" "+c.Cursor, func(ctx context.Context) error {
		return s.Checkpoints.SetCheckpoint(ctx, reader, c)
	})
}

// States puts a gate in front of snapshots of streams.
type States struct {
	streamstate.Store
	Gate Gate
}

// Snapshot implements streamstate.Store.
func (s States) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	return ask(ctx, s.Gate, "snapshot of "+stream, func(ctx context.Context) (streamstate.Snapshot, error) { return s.Store.Snapshot(ctx, stream) })
}

// SetSnapshot implements streamstate.Store.
func (s States) SetSnapshot(ctx context.Context, shot streamstate.Snapshot) error {
	return tell(ctx, s.Gate, Writes, fmt.Sprintf("set snapshot %s@%d", shot.Stream, shot.Version), func(ctx context.Context) error {
		return s.Store.SetSnapshot(ctx, shot)
	})
}

// DropSnapshot implements streamstate.Store.
func (s States) DropSnapshot(ctx context.Context, stream string) error {
	return tell(ctx, s.Gate, Writes, "drop snapshot "+stream, func(ctx context.Context) error { return s.Store.DropSnapshot(ctx, stream) })
}
