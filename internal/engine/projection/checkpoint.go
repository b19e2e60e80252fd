package projection

import (
	"context"

	"gakushoku/internal/event"
)

// Checkpoint is how far a reader of the feed has come. It may lag behind what was applied, since applying an
// event again is harmless.
type Checkpoint struct {
	Cursor     string        `json:"cursor"`              // position in the feed
	Events     uint64        `json:"events"`              // applied so far, redeliveries included
	OccurredAt event.Instant `json:"occurredAt,omitzero"` // of the newest event applied
	AppliedAt  event.Instant `json:"appliedAt,omitzero"`  // when that event was applied
}

// Checkpoints is the port to the checkpoints. Its contract suite is
// projectiontest.TestCheckpoints.
type Checkpoints interface {
	// Checkpoint returns a reader's checkpoint, or the zero value if there is none.
	Checkpoint(ctx context.Context, reader string) (Checkpoint, error)
	// SetCheckpoint stores it; the last write wins.
	SetCheckpoint(ctx context.Context, reader string, c Checkpoint) error
}
