package memory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// SubjectKeys stores the keys of subjects.
type SubjectKeys struct {
	mu     sync.Mutex
	keys   map[string]subject.Key
	erased map[string]event.Instant
}

var (
	_ subject.Keys   = (*SubjectKeys)(nil)
	_ subject.Lister = (*SubjectKeys)(nil)
)

// NewSubjectKeys returns an empty store.
func NewSubjectKeys() *SubjectKeys {
	return &SubjectKeys{keys: map[string]subject.Key{}, erased: map[string]event.Instant{}}
}

// Key implements subject.Keys.
func (s *SubjectKeys) Key(ctx context.Context, who string) (subject.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key(ctx, who)
}

func (s *SubjectKeys) key(ctx context.Context, who string) (subject.Key, error) {
	if ctx.Err() != nil {
		return subject.Key{}, ctx.Err()
	}
	if _, erased := s.erased[who]; erased {
		return subject.Key{}, subject.ErrErased
	}
	key, ok := s.keys[who]
	if !ok {
		return key, subject.ErrNoKey
	}
	return key, nil
}

// Add implements subject.Keys.
func (s *SubjectKeys) Add(ctx context.Context, who string, key subject.Key) (subject.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there, err := s.key(ctx, who)
	if !errors.Is(err, subject.ErrNoKey) {
		return there, err
	}
	s.keys[who] = key
	return key, nil
}

// Erase implements subject.Keys.
func (s *SubjectKeys) Erase(ctx context.Context, who string, at event.Instant) (subject.Tombstone, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return subject.Tombstone{}, false, ctx.Err()
	}
	before, erased := s.erased[who]
	if erased {
		return subject.Tombstone{Subject: who, At: before}, false, nil
	}
	delete(s.keys, who)
	s.erased[who] = at
	return subject.Tombstone{Subject: who, At: at}, true, nil
}

// Erased implements subject.Keys.
func (s *SubjectKeys) Erased(ctx context.Context) ([]subject.Tombstone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []subject.Tombstone
	for who, at := range s.erased {
		all = append(all, subject.Tombstone{Subject: who, At: at})
	}
	slices.SortFunc(all, func(a, b subject.Tombstone) int { return strings.Compare(a.Subject, b.Subject) })
	return all, ctx.Err()
}

// All implements subject.Lister.
func (s *SubjectKeys) All(ctx context.Context) ([]subject.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []subject.Record
	for who, key := range s.keys {
		all = append(all, subject.Record{Subject: who, Key: key[:]})
	}
	for who, at := range s.erased {
		all = append(all, subject.Record{Subject: who, ErasedAt: at})
	}
	slices.SortFunc(all, func(a, b subject.Record) int { return strings.Compare(a.Subject, b.Subject) })
	return all, ctx.Err()
}
