package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/memory"
	"gakushoku/internal/store/sqlite"
)

func eachEvent(ctx context.Context, log *eventlog.Reader, do func(*event.Event) error) error {
	head, err := log.WholeHead(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	return log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error { return do(e) })
}

// HasLog reports whether a data folder has segments of a log, whatever state the rest is in.
func HasLog(dir string) bool {
	found, err := filepath.Glob(filepath.Join(logFolder(dir), "segments", "*"))
	return err == nil && len(found) > 0
}

// EachArchived calls do with every event of the log in a data folder, in order. It works without the event
// store. It also works without a usable ledger, provided that the manifests are beside the segments.
func EachArchived(ctx context.Context, dir string, do func(*event.Event) error) (err error) {
	if _, err := os.Stat(logFolder(dir)); err != nil {
		return fmt.Errorf("looking for a log: %w", err)
	}
	blobs, err := files.OpenBlobs(logFolder(dir))
	if err != nil {
		return err
	}
	manifests := &logcheck.Log{Ledger: memory.NewLedger(), Blobs: blobs}
	restored, err := manifests.RestoreManifests(ctx)
	switch {
	case err != nil:
		return err
	case !restored.Sound:
		return fmt.Errorf("the log is not whole: %s %s", restored.Problems[0].Key, restored.Problems[0].Detail)
	}
	log := &eventlog.Reader{Ledger: manifests.Ledger, Blobs: blobs}
	if ledger, err := sqlite.OpenLedger(ctx, ledgerFile(dir)); err == nil {
		defer func() { err = errors.Join(err, ledger.Close()) }()
		// An archiver that died between its commit and the manifest leaves a segment that only the ledger
		// knows.
		head, err := ledger.Head(ctx)
		if err == nil && head.Number > restored.After.Number {
			log.Ledger = ledger
		}
	}
	if head, err := log.Head(ctx); err != nil || head.Number == 0 && HasLog(dir) {
		return errors.Join(fmt.Errorf("%w: neither control records nor manifests say what is in the segments", eventlog.ErrLedgerBehind), err)
	}
	if err := (&logcheck.Log{Ledger: log.Ledger, Blobs: blobs}).NothingLeftOut(ctx); err != nil {
		return err
	}
	return eachEvent(ctx, log, do)
}

// archived reads the log of a folder of which nothing else is readable.
type archived struct{ dir string }

// EachEvent reads the whole log. Without a log there are no events.
func (a archived) EachEvent(ctx context.Context, f func(*event.Event) error) error {
	err := EachArchived(ctx, a.dir, f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// LoadMany implements timeline.Streams.
func (a archived) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	found := map[string][]event.Event{}
	if len(streams) == 0 {
		return found, nil
	}
	err := a.EachEvent(ctx, func(e *event.Event) error {
		if slices.Contains(streams, e.Stream) {
			own := e.Clone()
			found[own.Stream] = append(found[own.Stream], own)
		}
		return nil
	})
	return found, err
}

// Numbers implements timeline.Numberer. It returns none.
func (archived) Numbers(context.Context, string) (map[uint64]uint64, error) { return nil, nil }
