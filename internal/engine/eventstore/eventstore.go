// Package eventstore is the port to the event table: append with an expected version, load
// by stream, and the feed of what was appended. Package eventstoretest holds its contract;
// every adapter runs it.
package eventstore

import (
	"context"
	"errors"

	"gakushoku/internal/event"
)

// Errors of every adapter. Anything that a new try may cure is marked with
// fault.Unavailable; a cancelled context comes back as ctx.Err().
var (
	// ErrConflict says that the stream has moved on: load it and decide again.
	ErrConflict = errors.New("the stream has changed since it was read")
	// ErrTooLarge says that an event, or the events of one append together, are larger than
	// the store can take. Nothing was appended.
	ErrTooLarge = errors.New("the event is too large for the store")
)

// MaxAppend bounds the events of one append: one command never needs more, and every store
// can write as many in one transaction.
const MaxAppend = 50

// Appender adds events to streams.
type Appender interface {
	// Append adds events to the end of stream, all or none, as versions expected+1,
	// expected+2... which it also sets in the events. expected is the version of the last
	// event that the caller has loaded, 0 for a new stream. It fails with ErrConflict when a
	// version is taken and with ErrTooLarge. Once it returns nil the events survive a crash.
	Append(ctx context.Context, stream string, expected uint64, events []event.Event) error
}

// Loader reads streams. Reads are strongly consistent: they see every acknowledged append.
type Loader interface {
	// Load returns the events of stream with a version above after, in order; none when
	// there are none.
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
	// LoadMany returns the whole of each stream that has events, keyed by stream.
	LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error)
}

// ByStream divides events that come stream by stream.
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

// Part is one of Count parts into which something is divided so that several can walk over
// it at once: Index is from 0. The zero Part is everything. How a store divides is its own
// affair, but the parts of one Count cover everything, each thing once.
type Part struct{ Index, Count int }

// All is everything.
var All = Part{}

// Has divides by a hash of names: for a store that has no way of its own to divide.
func (p Part) Has(name string) bool {
	if p.Count <= 1 {
		return true
	}
	return ShardOf(name, p.Count) == p.Index
}

// Lister walks over all streams.
type Lister interface {
	// Streams returns names of streams of a part, at most limit of them, and the cursor of the
	// next page, "" after the last; a page may be empty before that. Start with "". Every
	// stream that existed at the start comes exactly once; the order is the store's own.
	Streams(ctx context.Context, part Part, cursor string, limit int) (names []string, next string, err error)
}

// Ranger is what a store has besides when it keeps its streams in the order of their names, by
// byte: a walk over all of them then reads on, instead of looking each one up. Its contract is
// eventstoretest.TestRanges.
type Ranger interface {
	// Range returns the events of the streams whose names come after one, and not after upTo
	// unless that is "", in the order of names and versions. It ends with a whole stream, as
	// soon as it has limit events, and then tells the name to read on after; "" when these are all.
	Range(ctx context.Context, after, upTo string, limit int) (events []event.Event, next string, err error)
}

// Feed tells what was appended: each event at least once, those of one stream in any order
// when the store redelivers, and within one delivery oldest first.
type Feed interface {
	// Read returns events after cursor, at most about limit of them, and the cursor to read
	// on from. "" starts with the oldest event. No events means that there are none yet.
	Read(ctx context.Context, cursor string, limit int) (events []event.Event, next string, err error)
}

// Store is all of it.
type Store interface {
	Appender
	Loader
	Lister
}
