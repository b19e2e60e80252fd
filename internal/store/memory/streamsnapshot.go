package memory

import (
	"context"
	"slices"

	"gakushoku/internal/engine/streamstate"
)

var _ streamstate.Store = (*Control)(nil)

// Snapshot implements streamstate.Store.
func (s *Control) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return streamstate.Snapshot{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shot := s.snapshots[stream]
	shot.Data = slices.Clone(shot.Data)
	return shot, nil
}

// SetSnapshot implements streamstate.Store.
func (s *Control) SetSnapshot(ctx context.Context, shot streamstate.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshots == nil {
		s.snapshots = map[string]streamstate.Snapshot{}
	}
	shot.Data = slices.Clone(shot.Data)
	s.snapshots[shot.Stream] = shot
	return nil
}

// DropSnapshot implements streamstate.Store.
func (s *Control) DropSnapshot(ctx context.Context, stream string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.snapshots, stream)
	return nil
}
