package memory

import (
	"cmp"
	"context"
	"slices"

	"gakushoku/internal/engine/credential"
)

var _ credential.Store = (*Control)(nil)

// Credentials implements credential.Store.
func (s *Control) Credentials(ctx context.Context, kind string) ([]credential.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]credential.Record, 0, len(s.credentials[kind]))
	for _, r := range s.credentials[kind] {
		r.Value = slices.Clone(r.Value)
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b credential.Record) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// AddCredential implements credential.Store.
func (s *Control) AddCredential(ctx context.Context, kind string, r credential.Record) error {
	return s.putCredential(ctx, kind, r, 0, credential.ErrExists)
}

// ReplaceCredential implements credential.Store.
func (s *Control) ReplaceCredential(ctx context.Context, kind string, r credential.Record) error {
	return s.putCredential(ctx, kind, r, max(r.Revision, 1), credential.ErrChanged)
}

// putCredential stores a record as the one after revision; otherwise the error is refusal.
func (s *Control) putCredential(ctx context.Context, kind string, r credential.Record, revision uint64, refusal error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credentials[kind][r.ID].Revision != revision {
		return refusal
	}
	if s.credentials == nil {
		s.credentials = map[string]map[string]credential.Record{}
	}
	if s.credentials[kind] == nil {
		s.credentials[kind] = map[string]credential.Record{}
	}
	s.credentials[kind][r.ID] = credential.Record{ID: r.ID, Revision: revision + 1, Value: slices.Clone(r.Value)}
	return nil
}
