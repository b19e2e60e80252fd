package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gakushoku/internal/engine/eventlog"
)

// Blobs stores objects.
type Blobs struct {
	// Now is the clock for Blob.Changed; time.Now if nil.
	Now func() time.Time

	mu      sync.RWMutex
	objects map[string]object
}

type object struct {
	data    []byte
	changed time.Time
}

var _ eventlog.Blobs = (*Blobs)(nil)

// NewBlobs returns a store without objects.
func NewBlobs() *Blobs { return &Blobs{} }

// Get implements eventlog.BlobReader.
func (s *Blobs) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := s.get(ctx, key)
	if err == nil {
		err = eventlog.CheckSize(key, int64(len(data)))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	return bytes.Clone(data), nil
}

// GetRange implements eventlog.BlobReader.
func (s *Blobs) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	data, err := s.get(ctx, key)
	if err == nil && (offset < 0 || length < 1 || offset > int64(len(data)) || length > int64(len(data))-offset) {
		err = fmt.Errorf("it has %d bytes", len(data))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %d bytes of %s from %d on: %w", length, key, offset, err)
	}
	return bytes.Clone(data[offset : offset+length]), nil
}

// get returns an object's data, which must not be changed: Put replaces it.
func (s *Blobs) get(ctx context.Context, key string) ([]byte, error) {
	if err := checkCall(ctx, key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[key]
	if !ok {
		return nil, eventlog.ErrNoBlob
	}
	return o.data, nil
}

func checkCall(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return eventlog.CheckKey(key)
}

// Put implements eventlog.Blobs.
func (s *Blobs) Put(ctx context.Context, key string, data []byte) error {
	if err := checkCall(ctx, key); err != nil {
		return fmt.Errorf("putting %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(key, data)
	return nil
}

// Create implements eventlog.Creator.
func (s *Blobs) Create(ctx context.Context, key string, data []byte) error {
	err := checkCall(ctx, key)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		there, ok := s.objects[key]
		switch {
		case !ok:
			s.set(key, data)
		case !bytes.Equal(there.data, data):
			err = eventlog.ErrExists
		}
	}
	if err != nil {
		return fmt.Errorf("creating %s: %w", key, err)
	}
	return nil
}

// set stores an object. The caller holds mu.
func (s *Blobs) set(key string, data []byte) {
	now := s.Now
	if now == nil {
		now = time.Now
	}
	if s.objects == nil {
		s.objects = map[string]object{}
	}
	s.objects[key] = object{append([]byte{}, data...), now()}
}

// Delete implements eventlog.Blobs.
func (s *Blobs) Delete(ctx context.Context, key string) error {
	if err := checkCall(ctx, key); err != nil {
		return fmt.Errorf("deleting %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

// List implements eventlog.BlobReader.
func (s *Blobs) List(ctx context.Context, prefix, cursor string, limit int) ([]eventlog.Blob, error) {
	err := eventlog.CheckPrefix(prefix)
	if limit < 1 {
		err = fmt.Errorf("a page of %d makes no sense", limit)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("listing %q: %w", prefix, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []eventlog.Blob
	for _, key := range after(slices.Sorted(maps.Keys(s.objects)), cursor) {
		if len(page) == limit {
			break
		}
		if o := s.objects[key]; strings.HasPrefix(key, prefix) {
			page = append(page, eventlog.Blob{Key: key, Bytes: int64(len(o.data)), Changed: o.changed})
		}
	}
	return page, nil
}
