package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
)

// sweepAge is the age from which an object that nothing needs may be removed: a backup that began before the
// sweep looked may still be writing its manifest.
const sweepAge = 24 * time.Hour

// Pruned is what a prune did.
type Pruned struct {
	Kept    int      `json:"kept"`    // backups that are left
	Removed []string `json:"removed"` // ids of backups
	Objects int      `json:"objects"` // that no backup and no log needs any more, and were removed
	Bytes   int64    `json:"bytes"`
}

// Prune removes backups older than keep, but never the newest one, and then what neither a backup that is left nor
// the log in the place needs. It gives way to a backup that is copying. With dry, it only says what it would do.
func Prune(ctx context.Context, place eventlog.Blobs, keep time.Duration, now time.Time, id string, dry bool) (*Pruned, error) {
	p := &pruning{place: place, dry: dry, now: now}
	if err := p.prune(ctx, keep, id); err != nil {
		return nil, fmt.Errorf("pruning backups: %w", err)
	}
	return &p.Pruned, nil
}

type pruning struct {
	Pruned
	place  eventlog.Blobs
	dry    bool
	now    time.Time
	needed map[string]bool
}

func (p *pruning) prune(ctx context.Context, keep time.Duration, id string) (err error) {
	if !p.dry {
		turn, err := begin(ctx, p.place, pruneTurn, id, p.now)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, turn.end(ctx)) }()
	}
	kept, err := p.catalogues(ctx, p.now.Add(-keep))
	if err != nil {
		return err
	}
	if err := p.mark(ctx, kept); err != nil {
		return err
	}
	for _, folder := range []string{eventlog.SegmentFolder, partFolder} {
		if err := p.sweep(ctx, folder); err != nil {
			return err
		}
	}
	return nil
}

// catalogues removes the backups from before a time, and returns the others. The newest that can be read is kept,
// however old it is, and a damaged one is left for a person to look at.
func (p *pruning) catalogues(ctx context.Context, before time.Time) (kept []*Catalogue, err error) {
	ids, err := IDs(ctx, p.place)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Backward(ids) {
		c, err := Find(ctx, p.place, id)
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(kept) == 0 || !c.CreatedAt.Time().Before(before) {
			kept = append(kept, c)
			continue
		}
		p.Removed = append(p.Removed, id)
		if err := p.remove(ctx, keyOf(id)); err != nil {
			return nil, err
		}
	}
	slices.Reverse(p.Removed)
	p.Kept = len(kept)
	return kept, nil
}

// mark finds what is needed: what the manifests in the place name, since every backup and every replica reads
// them, and the parts of the backups that are kept.
func (p *pruning) mark(ctx context.Context, kept []*Catalogue) error {
	p.needed = map[string]bool{}
	for _, c := range kept {
		for i := range c.Parts {
			p.needed[c.Parts[i].Key] = true
		}
	}
	var listed []eventlog.Blob
	if err := each(ctx, p.place, eventlog.ManifestFolder, func(b eventlog.Blob) { listed = append(listed, b) }); err != nil {
		return err
	}
	read, err := readManifests(ctx, p.place, listed)
	for i := range read {
		p.needed[read[i].Key] = true
	}
	return err
}

// sweep removes what is in a folder, old, and not needed.
func (p *pruning) sweep(ctx context.Context, folder string) error {
	var swept []eventlog.Blob
	err := each(ctx, p.place, folder, func(b eventlog.Blob) {
		if !p.needed[b.Key] && p.now.Sub(b.Changed) >= sweepAge && strings.HasPrefix(b.Key, folder) {
			swept = append(swept, b)
		}
	})
	for _, b := range swept {
		if err != nil {
			return err
		}
		if err = p.remove(ctx, b.Key); err == nil {
			p.Objects++
			p.Bytes += b.Bytes
		}
	}
	return err
}

func (p *pruning) remove(ctx context.Context, key string) error {
	if p.dry {
		return nil
	}
	return p.place.Delete(ctx, key)
}
