package eventstore

import (
	"context"

	"gakushoku/internal/event"
)

// Pruner is implemented by stores that can give up the beginning of a stream. Nothing else deletes events;
// package retire says when it may be done. Feeds do not deliver that events were deleted or put back. Its
// contract is eventstoretest.TestPrune.
type Pruner interface {
	// Prune deletes the events up to each Cut, in any order. After an error some of them may be gone; events
	// that are gone already are not missed, so it may be repeated by anybody. A stream keeps its last event:
	// the caller has loaded one above each Cut's Through, and a store that would have to read first need not
	// check that. It returns how many events it deleted, if the store can tell.
	Prune(ctx context.Context, cuts []Cut) (deleted int, err error)
	// PutBack stores events of a stream again, with the versions that they have, except those that are there.
	// It may be repeated.
	PutBack(ctx context.Context, stream string, events []event.Event) error
}

// Cut is where a stream is cut off.
type Cut struct {
	Stream   string
	Versions []uint64 // that are there; a store need not delete others
	Through  uint64   // no version above it is deleted
}
