package logcheck_test

import (
	"context"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// busyStore calls before ahead of each read.
type busyStore struct {
	*memory.Events
	before func()
}

func (s *busyStore) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	s.before()
	return s.Events.LoadMany(ctx, streams)
}

func (s *busyStore) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	s.before()
	return s.Events.Streams(ctx, part, cursor, min(limit, 3))
}

// failingStore, failingBlobs and failingLedger fail when fail says so.
type failingStore struct {
	*memory.Events
	fail func() error
}

func (s *failingStore) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Events.LoadMany(ctx, streams)
}

func (s *failingStore) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	if err := s.fail(); err != nil {
		return nil, "", err
	}
	return s.Events.Streams(ctx, part, cursor, limit)
}

type failingBlobs struct {
	*memory.Blobs
	fail func() error
}

func (s *failingBlobs) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Blobs.Get(ctx, key)
}

func (s *failingBlobs) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Blobs.GetRange(ctx, key, offset, length)
}

func (s *failingBlobs) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Blob, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Blobs.List(ctx, prefix, after, limit)
}

type failingLedger struct {
	*memory.Ledger
	fail func() error
}

func (s *failingLedger) Head(ctx context.Context) (eventlog.Head, error) {
	if err := s.fail(); err != nil {
		return eventlog.Head{}, err
	}
	return s.Ledger.Head(ctx)
}

func (s *failingLedger) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Ledger.Manifests(ctx, after, limit)
}

// fixedLedger has the manifests that it is told.
type fixedLedger struct {
	*memory.Ledger
	manifests []eventlog.Manifest
}

func (s *fixedLedger) Manifests(_ context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	var page []eventlog.Manifest
	for _, m := range s.manifests {
		if m.Last > after && len(page) < limit {
			page = append(page, m)
		}
	}
	return page, nil
}
