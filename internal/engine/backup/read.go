package backup

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/eventlog"
)

// readAhead is how many objects of a place are read at once.
const readAhead = 16

// manifests calls f with the manifests of a log that begins in a place, in order, up to a number.
func manifests(ctx context.Context, place eventlog.BlobReader, upTo uint64, f func(*eventlog.Manifest) error) error {
	for next := uint64(0); next < upTo; {
		listed, err := place.List(ctx, eventlog.ManifestFolder, keyBefore(next+1), page)
		if err != nil {
			return err
		}
		read, err := readManifests(ctx, place, listed)
		if err != nil {
			return err
		}
		for i := range read {
			m := &read[i]
			if m.First > upTo {
				break
			}
			if err := m.Check(); err != nil {
				return err
			}
			if m.First != next+1 {
				return fmt.Errorf("%w: the segment after event %d is missing, the next one begins at %d", ErrDamaged, next, m.First)
			}
			if err := f(m); err != nil {
				return err
			}
			next = m.Last
		}
		if len(listed) < page && next < upTo {
			return fmt.Errorf("%w: the log in the place ends at event %d, the backup at %d", ErrDamaged, next, upTo)
		}
	}
	return nil
}

// keyBefore returns a key that sorts just before the manifest of a segment.
func keyBefore(first uint64) string {
	if first <= 1 {
		return ""
	}
	return eventlog.ManifestKey(first - 1)
}

func readManifests(ctx context.Context, place eventlog.BlobReader, listed []eventlog.Blob) ([]eventlog.Manifest, error) {
	read := make([]eventlog.Manifest, len(listed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAhead)
	for i, b := range listed {
		group.Go(func() error {
			data, err := place.Get(ctx, b.Key)
			if err == nil {
				err = json.Unmarshal(data, &read[i])
			}
			if err == nil && eventlog.ManifestKey(read[i].First) != b.Key {
				err = fmt.Errorf("it is that of segment %d: %w", read[i].First, ErrDamaged)
			}
			if err != nil {
				return fmt.Errorf("reading %s: %w", b.Key, err)
			}
			return nil
		})
	}
	return read, group.Wait()
}
