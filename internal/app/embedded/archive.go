package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
)

// archiverName is the reader whose checkpoint records how far the events have been archived.
const archiverName = "archiver"

// The embedded archiver gathers events for a few seconds, so that segments are few, but not longer than the
// limit.
const (
	archiveLinger = 2 * time.Second
	archivePoll   = time.Second
	maxArchiveLag = 15 * time.Second
)

// logFolder holds the objects of the numbered log; its control records are in ledgerFile.
func logFolder(dir string) string  { return filepath.Join(dir, "log") }
func ledgerFile(dir string) string { return filepath.Join(dir, "log.db") }

// ArchiveFollower returns the follower that brings the numbered log up to date as events arrive.
func (f *Folder) ArchiveFollower() *eventlog.Follower {
	return &eventlog.Follower{
		Store: f.Events, Appended: f.Events.Appended, Position: archivePosition{f}, Archiver: f.Archiver(),
		Linger: archiveLinger, Poll: archivePoll,
	}
}

// Archive brings the numbered log up to date with the event store. A server may do the same concurrently. The log of
// a standby is that of its primary.
func (f *Folder) Archive(ctx context.Context) error {
	if f.follows() {
		return nil
	}
	if err := f.ArchiveFollower().CatchUp(ctx); err != nil {
		return fmt.Errorf("bringing the log up to date: %w", err)
	}
	return nil
}

// archivePatience is the longest time between an archiver's commit and its manifest.
const archivePatience = 2 * time.Second

// archiveSound is Archive for a verification. It appends nothing if the event store has lost events of the
// streams to be archived: the archiver might mistake events that the log already has for new ones.
func (f *Folder) archiveSound(ctx context.Context) error {
	if err := f.CheckEvents(ctx); err != nil {
		return err
	}
	archived, err := archivePosition{f}.Archived(ctx)
	if err != nil {
		return err
	}
	const page = 500
	for after := archived; ; {
		events, last, err := f.Events.Since(ctx, after, page)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return f.Archive(ctx)
		}
		if err := f.checkWhole(ctx, events); err != nil {
			return err
		}
		after = last
	}
}

// unarchived calls do with every event that the archiver has not got to yet.
func (f *Folder) unarchived(ctx context.Context, do func(*event.Event)) error {
	after, err := archivePosition{f}.Archived(ctx)
	for err == nil {
		const page = 500
		var events []event.Event
		var last eventstore.Mark
		if events, last, err = f.Events.Since(ctx, after, page); err != nil || len(events) == 0 {
			break
		}
		for i := range events {
			do(&events[i])
		}
		after = last
	}
	return err
}

// checkWhole fails with eventstore.ErrOtherStore when a stream of these events has a hole.
func (f *Folder) checkWhole(ctx context.Context, events []event.Event) error {
	var streams []string
	for i := range events {
		streams = append(streams, events[i].Stream)
	}
	slices.Sort(streams)
	histories, err := f.Ports.Events.LoadMany(ctx, slices.Compact(streams))
	if err != nil {
		return err
	}
	for stream, history := range histories {
		if last := history[len(history)-1].Version; last != uint64(len(history)) {
			return fmt.Errorf("%w: %s has %d events, the last of them is version %d", eventstore.ErrOtherStore, stream, len(history), last)
		}
	}
	return nil
}

// logLag returns how long events have waited for the log while none reached it, which means that the archiver
// is dead or cannot write. An archiver that works through an import is healthy.
func (f *Folder) logLag(ctx context.Context, now time.Time) (health.Lag, error) {
	archived, advanced, err := archivePosition{f}.read(ctx)
	if err != nil {
		return health.Lag{}, err
	}
	if err := f.holds(ctx, archived); err != nil {
		return health.Lag{}, err
	}
	if _, err := f.LogCheck.WholeHead(ctx); errors.Is(err, eventlog.ErrLedgerBehind) {
		return health.Lag{}, errors.Join(health.Problemf("%v", eventlog.ErrLedgerBehind), err)
	} else if err != nil {
		return health.Lag{}, err
	}
	if err := f.checkObjects(ctx); errors.Is(err, ErrObjectsLost) {
		return health.Lag{}, errors.Join(health.Problemf("%v", ErrObjectsLost), err)
	} else if err != nil {
		return health.Lag{}, err
	}
	head, err := f.Events.Head(ctx)
	if err != nil {
		return health.Lag{}, err
	}
	lag := health.Lag{Detail: fmt.Sprintf("%d of %d events are in the log", archived.Number, head)}
	appended, waiting, err := f.Events.AppendedAt(ctx, archived.Number+1)
	if waiting {
		lag.Behind = max(0, min(now.Sub(appended), now.Sub(advanced)))
	}
	return lag, err
}

// archivePosition stores in a checkpoint how far the events have been archived. It is limited to what the
// ledger confirms: a log restored from an older copy continues where it ends.
type archivePosition struct{ folder *Folder }

// Archived implements eventlog.Position.
func (p archivePosition) Archived(ctx context.Context) (eventstore.Mark, error) {
	mark, _, err := p.read(ctx)
	return mark, err
}

// read returns how far the events have been archived, and when that last changed.
func (p archivePosition) read(ctx context.Context) (mark eventstore.Mark, at time.Time, err error) {
	c, err := p.folder.Control.Checkpoint(ctx, archiverName)
	if err != nil {
		return mark, time.Time{}, err
	}
	if mark, err = markOf(archiverName, c); err != nil || mark.Number == 0 {
		return mark, time.Time{}, err
	}
	logged, known, err := p.folder.logged(ctx)
	if err == nil && known && logged < mark.Number {
		mark = eventstore.Mark{Number: logged}
	}
	return mark, c.AppliedAt.Time(), err
}

// SetArchived implements eventlog.Position.
func (p archivePosition) SetArchived(ctx context.Context, m eventstore.Mark) error {
	return p.folder.Control.SetCheckpoint(ctx, archiverName, projection.Checkpoint{
		Cursor: m.String(), Events: m.Number, AppliedAt: event.InstantOf(time.Now()),
	})
}
