package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/streamstate"
)

// Control stores pointers, checkpoints, credentials and snapshots of streams. Its zero value is empty and ready for use.
type Control struct {
	mu          sync.Mutex
	pointers    map[string]projection.Pointer
	checkpoints map[string]projection.Checkpoint
	credentials map[string]map[string]credential.Record // by kind and id
	snapshots   map[string]streamstate.Snapshot         // by stream
}

var (
	_ projection.Pointers    = (*Control)(nil)
	_ projection.Checkpoints = (*Control)(nil)
)

// NewControl returns a control store without pointers and checkpoints.
func NewControl() *Control { return &Control{} }

// Pointer implements projection.Pointers.
func (s *Control) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	if err := ctx.Err(); err != nil {
		return projection.Pointer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pointers[name]
	if !ok {
		return projection.Pointer{}, fmt.Errorf("%s: %w", name, projection.ErrNoPointer)
	}
	p.Versions = slices.Clone(p.Versions)
	return p, nil
}

// SetPointer implements projection.Pointers.
func (s *Control) SetPointer(ctx context.Context, p projection.Pointer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pointers[p.Projection].Changes != p.Changes {
		return fmt.Errorf("%s: %w", p.Projection, projection.ErrPointerChanged)
	}
	if s.pointers == nil {
		s.pointers = map[string]projection.Pointer{}
	}
	p.Changes++
	p.Versions = slices.Clone(p.Versions)
	s.pointers[p.Projection] = p
	return nil
}

// Checkpoint implements projection.Checkpoints.
func (s *Control) Checkpoint(ctx context.Context, reader string) (projection.Checkpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkpoints[reader], ctx.Err()
}

// SetCheckpoint implements projection.Checkpoints.
func (s *Control) SetCheckpoint(ctx context.Context, reader string, c projection.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checkpoints == nil {
		s.checkpoints = map[string]projection.Checkpoint{}
	}
	s.checkpoints[reader] = c
	return nil
}
