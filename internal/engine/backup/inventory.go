package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/fault"
)

// inventory is what a place has.
type inventory struct {
	sizes  map[string]int64 // bytes of segments, manifests and seals, by key
	newest *Catalogue       // that can be read; nil if there is none
}

func look(ctx context.Context, place eventlog.BlobReader) (*inventory, error) {
	had := &inventory{sizes: map[string]int64{}}
	for _, folder := range []string{eventlog.SegmentFolder, eventlog.ManifestFolder, seal.Folder} {
		if err := each(ctx, place, folder, func(b eventlog.Blob) { had.sizes[b.Key] = b.Bytes }); err != nil {
			return nil, err
		}
	}
	ids, err := IDs(ctx, place)
	for i := len(ids) - 1; err == nil && had.newest == nil && i >= 0; i-- {
		// A damaged catalogue must not keep new backups from being made.
		if had.newest, err = Find(ctx, place, ids[i]); errors.Is(err, ErrDamaged) {
			err = nil
		}
	}
	return had, err
}

// has reports whether the place has a segment. A segment without its manifest does not count: a prune may be
// about to remove it.
func (h *inventory) has(m *eventlog.Manifest) bool {
	encoded, err := m.Encode()
	return err == nil && h.sizes[eventlog.ManifestKey(m.First)] == int64(len(encoded)) && h.sizes[m.Key] == m.Bytes
}

// turn keeps backups that copy, and prunes, from running at the same time in one place: whoever comes puts an
// object of its own first, and then looks for one of the other kind. So of two that begin together at least one
// sees the other, and gives way.
type turn struct {
	place eventlog.Blobs
	key   string
}

// The kinds of turns.
const (
	backupTurn = "backup-"
	pruneTurn  = "prune-"
)

// turnsLast is the age from which a turn counts as left by a process that died.
const turnsLast = 24 * time.Hour

var others = map[string]string{backupTurn: pruneTurn, pruneTurn: backupTurn}

// errBusy means that one of the other kind is under way.
var errBusy = errors.New("is under way in this place: try again later")

func begin(ctx context.Context, place eventlog.Blobs, kind, id string, now time.Time) (*turn, error) {
	t := &turn{place, turnFolder + kind + id}
	if err := place.Put(ctx, t.key, []byte(now.UTC().Format(time.RFC3339)+"\n")); err != nil {
		return nil, err
	}
	other := ""
	err := each(ctx, place, turnFolder+others[kind], func(b eventlog.Blob) {
		if now.Sub(b.Changed) < turnsLast {
			other = b.Key
		}
	})
	if err == nil && other != "" {
		err = fault.Unavailable(fmt.Errorf("a %s %w", strings.TrimSuffix(others[kind], "-"), errBusy))
	}
	if err != nil {
		return nil, errors.Join(err, t.end(ctx))
	}
	return t, nil
}

// end gives the turn back, also when ctx has ended.
func (t *turn) end(ctx context.Context) error {
	const limit = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return t.place.Delete(ctx, t.key)
}
