package embedded

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/sqlite"
)

// subjectsFile has the keys of subjects. It is no part of a backup of events.
func subjectsFile(dir string) string { return filepath.Join(dir, "keys.db") }

// subjectKeys are the keys of a folder's subjects. The file is opened at the first use, and made when there is
// something to write, so that commands that do not need it neither open nor make it.
type subjectKeys struct {
	path string

	mu     sync.Mutex
	opened *sqlite.SubjectKeys
}

var _ subject.Keys = (*subjectKeys)(nil)

// open returns the store; nil if there is no file and it need not be made.
func (k *subjectKeys) open(ctx context.Context, make bool) (*sqlite.SubjectKeys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened != nil {
		if isReplaced(k.opened.InPlace()) {
			return nil, fault.Unavailable(subject.ErrLost)
		}
		return k.opened, nil
	}
	if _, err := os.Stat(k.path); errors.Is(err, fs.ErrNotExist) && !make {
		return nil, ctx.Err()
	}
	opened, err := sqlite.OpenSubjectKeys(ctx, k.path)
	k.opened = opened
	return opened, err
}

// Close closes the file.
func (k *subjectKeys) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened == nil {
		return nil
	}
	return k.opened.Close()
}

// Key implements subject.Keys.
func (k *subjectKeys) Key(ctx context.Context, who string) (subject.Key, error) {
	store, err := k.open(ctx, false)
	if err != nil {
		return subject.Key{}, err
	}
	if store == nil {
		return subject.Key{}, subject.ErrNoKey
	}
	return store.Key(ctx, who)
}

// Add implements subject.Keys.
func (k *subjectKeys) Add(ctx context.Context, who string, key subject.Key) (subject.Key, error) {
	store, err := k.open(ctx, true)
	if err != nil {
		return subject.Key{}, err
	}
	return store.Add(ctx, who, key)
}

// Erase implements subject.Keys.
func (k *subjectKeys) Erase(ctx context.Context, who string, at event.Instant) (subject.Tombstone, bool, error) {
	store, err := k.open(ctx, true)
	if err != nil {
		return subject.Tombstone{}, false, err
	}
	return store.Erase(ctx, who, at)
}

// Erased implements subject.Keys.
func (k *subjectKeys) Erased(ctx context.Context) ([]subject.Tombstone, error) {
	store, err := k.open(ctx, false)
	if err != nil || store == nil {
		return nil, err
	}
	return store.Erased(ctx)
}
