package logcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault/retry"
)

// Restored is what RestoreManifests did.
type Restored struct {
	Findings
	Manifests int           `json:"manifests"` // found beside the segments
	Before    eventlog.Head `json:"before"`
	After     eventlog.Head `json:"after"`
}

// RestoreManifests brings a ledger that was lost, or is an older copy, up to date from the manifests beside
// the segments. The manifests that the ledger already has must be the same there. If they are not, or if the
// manifests leave a hole, the report says so and the ledger is not changed from there on. It may be repeated,
// and archivers may run at the same time.
func (l *Log) RestoreManifests(ctx context.Context) (Restored, error) {
	var r Restored
	before, err := l.Ledger.Head(ctx)
	if err == nil {
		r.Before = before
		err = l.restore(ctx, &r)
	}
	if err == nil {
		r.After, err = l.Ledger.Head(ctx)
	}
	if err != nil {
		return r, fmt.Errorf("restoring the ledger: %w", err)
	}
	r.conclude()
	return r, nil
}

// kept is a manifest as read, or why it could not be read.
type kept struct {
	key      string
	manifest *eventlog.Manifest
	err      error
}

// restorePage is how many manifests are restored at once.
const restorePage = 100

func (l *Log) restore(ctx context.Context, r *Restored) error {
	var batch []eventlog.Manifest
	flush := func() error {
		ok, err := l.restoreBatch(ctx, r, batch)
		batch = batch[:0]
		if err == nil && !ok {
			err = errStop
		}
		return err
	}
	err := ordered(ctx, l.workers(),
		func(ctx context.Context, next func(string) error) error {
			return l.objects(ctx, eventlog.ManifestFolder, func(b eventlog.Blob) error { return next(b.Key) })
		},
		func(ctx context.Context, key string) (kept, error) {
			m, _, err := readManifest(ctx, l.Blobs, key)
			failure := unreachable(err)
			if err == nil && eventlog.ManifestKey(m.First) != key {
				err = fmt.Errorf("%s is the manifest of segment %d", key, m.First)
			}
			return kept{key, m, err}, failure
		},
		func(k kept) error {
			if k.err != nil {
				r.add(Problem{Kind: BadManifest, Key: k.key, Detail: k.err.Error()})
				return nil
			}
			r.Manifests++
			batch = append(batch, *k.manifest)
			if len(batch) == restorePage {
				return flush()
			}
			return nil
		})
	if err == nil {
		err = flush()
	}
	if errors.Is(err, errStop) {
		return nil
	}
	if err == nil && r.Manifests == 0 && r.Total() == 0 && l.Store != nil { // the log can be rebuilt from it
		if _, err = l.WholeHead(ctx); errors.Is(err, eventlog.ErrLedgerBehind) {
			r.add(Problem{Kind: ManifestMissing, Detail: noRecords})
			err = nil
		}
	}
	return err
}

// errStop ends a walk that need not go on; the report says why.
var errStop = errors.New("stop")

// restoreBatch restores some manifests; it tries again if an archiver moved the head meanwhile. It returns
// false if they do not fit.
func (l *Log) restoreBatch(ctx context.Context, r *Restored, batch []eventlog.Manifest) (bool, error) {
	err := retry.Do(ctx, cmp.Or(l.Retries, restoreRetries), func() (bool, error) {
		err := l.Ledger.Restore(ctx, batch)
		return errors.Is(err, eventlog.ErrHeadMoved), err
	})
	if errors.Is(err, eventlog.ErrNoFit) {
		r.add(Problem{Kind: Hole, Segment: batch[0].First, Detail: err.Error()})
		return false, nil
	}
	return err == nil, err
}

var restoreRetries = retry.Policy{Tries: 20, First: 50 * time.Millisecond}
