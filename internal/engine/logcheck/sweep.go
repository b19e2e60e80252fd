package logcheck

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// MinSweepAge is the least age at which an object may count as an orphan: the archiver that wrote a younger
// one may still be trying to commit it.
const MinSweepAge = 10 * time.Minute

// maxSwept bounds the keys that are listed; all are counted.
const maxSwept = 1000

// Swept is what Sweep found and did.
type Swept struct {
	DryRun  bool          `json:"dryRun"`
	Before  event.Instant `json:"before"` // objects written since then were left alone
	Objects int           `json:"objects"`
	Bytes   int64         `json:"bytes"`
	Young   int           `json:"young"` // objects that belong to no segment but are too young
	Keys    []string      `json:"keys,omitempty"`
}

// Sweep removes objects older than olderThan that belong to no segment. Archivers leave them when they die
// between writing an object and committing it. Sweep refuses if there are manifests that the ledger does not
// have, since their objects would count as orphans.
func (l *Log) Sweep(ctx context.Context, olderThan time.Duration, dryRun bool) (Swept, error) {
	if olderThan < MinSweepAge {
		return Swept{}, fmt.Errorf("objects younger than %s may be on their way into the log: sweep older ones", MinSweepAge)
	}
	before := l.Now().Add(-olderThan)
	s := Swept{DryRun: dryRun, Before: event.InstantOf(before)}
	orphans, err := l.orphans(ctx)
	if err != nil {
		return s, fmt.Errorf("looking for orphans: %w", err)
	}
	for _, b := range orphans {
		if !b.Changed.Before(before) {
			s.Young++
			continue
		}
		if !dryRun {
			if err := l.Blobs.Delete(ctx, b.Key); err != nil {
				return s, fmt.Errorf("sweeping: %w", err)
			}
		}
		s.Objects++
		s.Bytes += b.Bytes
		if len(s.Keys) < maxSwept {
			s.Keys = append(s.Keys, b.Key)
		}
	}
	return s, nil
}

// orphans returns the objects that belong to no segment, in the order of their keys.
func (l *Log) orphans(ctx context.Context) ([]eventlog.Blob, error) {
	// List the objects first: what is committed meanwhile is then in the ledger.
	var objects []eventlog.Blob
	err := l.objects(ctx, eventlog.SegmentFolder, func(b eventlog.Blob) error {
		objects = append(objects, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	named, known := map[string]bool{}, map[string]bool{}
	err = l.segments(ctx, 0, toTheEnd, func(m *eventlog.Manifest) error {
		named[m.Key], known[eventlog.ManifestKey(m.First)] = true, true
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		if err := emptyLedger(len(objects)); err != nil {
			return nil, err
		}
	}
	if err := l.refuseUnknown(ctx, known); err != nil {
		return nil, err
	}
	orphans := objects[:0]
	for _, b := range objects {
		if !named[b.Key] {
			orphans = append(orphans, b)
		}
	}
	return orphans, nil
}

// refuseUnknown fails if there is a manifest that the ledger does not have.
func (l *Log) refuseUnknown(ctx context.Context, known map[string]bool) error {
	return l.objects(ctx, eventlog.ManifestFolder, func(b eventlog.Blob) error {
		if known[b.Key] {
			return nil
		}
		m, _, err := readManifest(ctx, l.Blobs, b.Key)
		if err != nil {
			return err
		}
		now, err := l.Ledger.Manifests(ctx, m.First-1, 1)
		if err != nil {
			return err
		}
		if len(now) == 0 || !now[0].Equal(m) { // otherwise it was committed meanwhile
			return fmt.Errorf("%s is not in the ledger: restore the manifests before sweeping", b.Key)
		}
		return nil
	})
}
