// Package eventstore is the port to the event store: append with an expected version, load by stream, and the
// feed of appended events. Package eventstoretest holds its contract, which every adapter's tests run.
package eventstore

import (
	"context"
	"errors"

	"gakushoku/internal/event"
)

// Errors of every adapter. Retryable errors are wrapped with fault.Unavailable; a cancelled context is
// returned as ctx.Err().
var (
	// ErrConflict means that the stream has changed: load it and decide again.
	ErrConflict = errors.New("the stream has changed since it was read")
	// ErrTooLarge means that an event, or the events of one append together, exceed what the store can take.
	// The store appended none of them.
	ErrTooLarge = errors.New("the event is too large for the store")
)

// MaxAppend bounds the events of one append. No command needs more, and every store can write that many in
// one transaction.
const MaxAppend = 50

// Appender adds events to streams.
type Appender interface {
	// Append adds events to the end of stream, all or none, as versions expected+1, expected+2... which it
	// also sets in the events. expected is the version of the last event that the caller has loaded, 0 for a
	// new stream. It fails with ErrConflict if a version is taken, and with ErrTooLarge. Once it returns nil,
	// the events survive a crash.
	Append(ctx context.Context, stream string, expected uint64, events []event.Event) error
}

// Loader reads streams. Reads are strongly consistent: they see every acknowledged append.
type Loader interface {
	// Load returns the events of stream with a version above after, in order; none if there are none.
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
	// LoadMany returns all events of each stream that has any, keyed by stream.
	LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error)
}

// ByStream splits events that come stream by stream.
func ByStream(events []event.Event) map[string][]event.Event {
	streams := make(map[string][]event.Event, len(events)/4)
	for start := 0; start < len(events); {
		end := start + 1
		for end < len(events) && events[end].Stream == events[start].Stream {
			end++
		}
		streams[events[start].Stream] = events[start:end:end]
		start = end
	}
	return streams
}

// Part is one of Count parts into which something is divided for concurrent walks; Index counts from 0. The
// zero Part is everything. Each store divides in its own way, but the parts of one Count cover everything
// exactly once.
type Part struct{ Index, Count int }

// All is the part that covers everything.
var All = Part{}

// Has divides by a hash of names, for stores without a way of their own.
func (p Part) Has(name string) bool {
	if p.Count <= 1 {
		return true
	}
	return ShardOf(name, p.Count) == p.Index
}

// Lister lists all streams.
type Lister interface {
	// Streams returns at most limit stream names of a part, and the cursor of the next page, "" after the
	// last; any page may be empty. Start with "". Every stream that existed at the start comes exactly once,
	// in the store's own sequence.
	Streams(ctx context.Context, part Part, cursor string, limit int) (names []string, next string, err error)
}

// Ranger is implemented by stores that keep streams sorted by name, by byte, so that a walk over all of them
// reads on instead of looking up each one. Its contract is eventstoretest.TestRanges.
type Ranger interface {
	// Range returns the events of the streams whose names come after one and, unless upTo is "", not after
	// upTo, sorted by name and version. It ends with a whole stream as soon as it has limit events, and then
	// returns the name to continue after; "" if there are no more.
	Range(ctx context.Context, after, upTo string, limit int) (events []event.Event, next string, err error)
}

// Feed delivers appended events: each at least once, oldest first within one delivery. If the store
// redelivers, one stream's events may come in any order.
type Feed interface {
	// Read returns about limit events after cursor at most, and the cursor to continue from. "" starts with
	// the oldest event. No events means that there are none yet.
	Read(ctx context.Context, cursor string, limit int) (events []event.Event, next string, err error)
}

// Store combines these ports.
type Store interface {
	Appender
	Loader
	Lister
}
