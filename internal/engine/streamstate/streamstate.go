// Package streamstate is the port to stored states of long streams. A snapshot only saves reading: what takes
// one checks it against its stream, and without it folds the whole stream. So any of them may be missing, old
// or lost, and they are no part of the event store: no feed, list, export or backup has them.
package streamstate

import (
	"context"
	"errors"
)

// ErrTooLarge means that a snapshot exceeds what the store can take. The store has kept what it had.
var ErrTooLarge = errors.New("the snapshot is too large for the store")

// Snapshot is the state of a stream at a version.
type Snapshot struct {
	Stream   string
	Version  uint64 // of the last event in it; 0: there is no snapshot
	EventID  string // of that event, which vouches for the snapshot
	Revision int    // of the code that made it
	Data     []byte
}

// Store keeps at most one snapshot of each stream.
type Store interface {
	// Snapshot returns the snapshot of a stream as of the last write; the zero Snapshot if there is none.
	Snapshot(ctx context.Context, stream string) (Snapshot, error)
	// SetSnapshot stores a snapshot in place of the one that the stream has. It fails with ErrTooLarge.
	SetSnapshot(ctx context.Context, s Snapshot) error
	// DropSnapshot removes the snapshot of a stream, if there is one.
	DropSnapshot(ctx context.Context, stream string) error
}
