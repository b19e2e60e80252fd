// Package logcheck keeps the numbered log sound: it reports the log's status, compares the log with itself,
// with its copies and with the event store, and repairs what it can. It works through the ports of packages
// eventlog and eventstore, so the same operations serve a data folder and AWS.
package logcheck

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/fault/wait"
)

// Streams is the event store, as compared with the log.
type Streams interface {
	eventstore.Loader
	eventstore.Lister
}

// Log is a log and the event store it is made from.
type Log struct {
	Ledger eventlog.Ledger
	Blobs  eventlog.Blobs
	Store  Streams
	Now    func() time.Time
	NewID  func() string
	// CatchUp archives what is in the store now, and returns when it is in the log; nil where the archiver
	// runs in another process.
	CatchUp func(ctx context.Context) error
	// Waiting returns how many events of the store are not known to be in the log; nil where the store cannot
	// tell.
	Waiting func(ctx context.Context) (uint64, error)
	// Misfit returns why the log and the other stores do not belong together, or "" if they do; nil where
	// that cannot be checked.
	Misfit func(ctx context.Context) (string, error)
	// Unarchived calls do with every event of the store that the archiver has not got to yet; nil where the
	// store cannot tell.
	Unarchived func(ctx context.Context, do func(*event.Event)) error
	// Batch returns the events that a segment was made of, in their order, or none if they are not known; nil
	// where the store has no order.
	Batch func(ctx context.Context, m *eventlog.Manifest) ([]event.Event, error)
	// Sealed compares the log with its signed checkpoints; nil where there are none.
	Sealed func(ctx context.Context) (*seal.Report, error)
	// Patience is how long an archiver may take: from an event in the store to the log, and from a commit to
	// the manifest beside the segment.
	Patience time.Duration
	// Pause waits; nil is a real wait.
	Pause func(ctx context.Context, d time.Duration) error
	// Retries bounds the tries to restore or archive something while archivers move the head; the zero value is
	// a sensible default.
	Retries retry.Policy
	// Held is how many events of the log are held in memory at once, as digests; 0 is the default, which
	// takes some 100 MB. Longer logs are read in several passes.
	Held int
	// Workers is how many objects, or pages of streams, are read at once; 0 is a small default.
	Workers int
}

const (
	toTheEnd       = math.MaxUint64
	defaultWorkers = 4
	page           = 500 // manifests, objects or streams per call
)

func (l *Log) workers() int {
	if l.Workers > 0 {
		return l.Workers
	}
	return defaultWorkers
}

func (l *Log) pause(ctx context.Context, d time.Duration) error {
	if l.Pause != nil {
		return l.Pause(ctx, d)
	}
	return wait.For(ctx, d)
}

// catchUp brings the log up to date. If that is impossible because the ledger is an older copy or the store
// has lost events, it returns the reason as blocked: the verification will find the cause, or report blocked
// if it does not.
func (l *Log) catchUp(ctx context.Context) (blocked, err error) {
	if l.CatchUp == nil {
		return nil, nil
	}
	err = l.CatchUp(ctx)
	if errors.Is(err, eventlog.ErrLedgerBehind) || errors.Is(err, eventstore.ErrOtherStore) {
		return err, nil
	}
	return nil, err
}

// WholeHead returns the head of the log, for callers that rely on the ledger being complete. It fails with
// eventlog.ErrLedgerBehind if the log has more than the ledger knows.
func (l *Log) WholeHead(ctx context.Context) (eventlog.Head, error) {
	head, err := (&eventlog.Reader{Ledger: l.Ledger, Blobs: l.Blobs}).WholeHead(ctx)
	if err != nil || head.Number > 0 {
		return head, err
	}
	if l.Waiting != nil { // fails if events were archived before
		if _, err := l.Waiting(ctx); err != nil {
			return head, err
		}
	}
	old := 0
	err = l.objects(ctx, eventlog.SegmentFolder, func(b eventlog.Blob) error {
		if l.isOld(b) {
			old++
		}
		return nil
	})
	if err == nil {
		err = emptyLedger(old)
	}
	return head, err
}

// orphanAge is the age from which an object without a manifest counts as abandoned by its archiver.
const orphanAge = time.Hour

func (l *Log) isOld(b eventlog.Blob) bool { return l.Now().Sub(b.Changed) >= orphanAge }

// emptyLedger returns an error if the ledger is empty beside that many objects.
func emptyLedger(objects int) error {
	if objects == 0 {
		return nil
	}
	return fmt.Errorf("%w: the ledger is empty, yet there are %d objects", eventlog.ErrLedgerBehind, objects)
}

// misfit adds to the findings why the stores do not belong together, unless other findings explain it.
func (l *Log) misfit(ctx context.Context, found *Findings) error {
	if l.Misfit == nil || found.Total() > found.Mended() {
		return nil
	}
	why, err := l.Misfit(ctx)
	if err == nil && why != "" {
		found.add(Problem{Kind: Misfit, Detail: why})
	}
	return err
}

// segments calls f for each manifest of the ledger that has numbers above after and begins at or before upTo,
// whatever is wrong with it.
func (l *Log) segments(ctx context.Context, after, upTo uint64, f func(m *eventlog.Manifest) error) error {
	for {
		manifests, err := l.Ledger.Manifests(ctx, after, page)
		if err != nil {
			return fmt.Errorf("reading the ledger after %d: %w", after, err)
		}
		for i := range manifests {
			if manifests[i].First > upTo {
				return nil
			}
			if err := f(&manifests[i]); err != nil {
				return err
			}
			after = manifests[i].Last
		}
		if len(manifests) < page {
			return nil
		}
	}
}

// objects calls f for each object in a folder, in the order of keys.
func (l *Log) objects(ctx context.Context, folder string, f func(b eventlog.Blob) error) error {
	for b, err := range eventlog.Objects(ctx, l.Blobs, folder, "") {
		if err == nil {
			err = f(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
