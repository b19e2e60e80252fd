package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/files"
)

// reflected returns how many events of the event store the active version has from a rebuild: all but those
// added to the log since, and those not in the log yet.
func (f *Folder) reflected(ctx context.Context, pointer projection.Pointer, head uint64) (uint64, error) {
	active, _ := pointer.ActiveVersion()
	brought, err := f.Engine.BroughtTo(ctx, pointer.Projection, active)
	if err != nil || brought == 0 {
		return 0, err
	}
	archived, err := archivePosition{f}.Archived(ctx)
	if err != nil {
		return 0, err
	}
	log, err := f.Log().Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the head of the log: %w", err)
	}
	since := log.Number - min(brought, log.Number)
	return min(head, archived.Number) - min(since, head, archived.Number), nil
}

// lag compares the projector's checkpoint with the head. behind is how long the oldest unapplied event has
// been in the event store, regardless of when it occurred, since an import adds old events.
func (f *Folder) lag(ctx context.Context) (head, applied uint64, behind time.Duration, err error) {
	checkpoint, err := f.Control.Checkpoint(ctx, projectorName)
	if err != nil {
		return 0, 0, 0, err
	}
	mark, err := markOf(projectorName, checkpoint)
	if err == nil {
		err = f.holds(ctx, mark)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	if head, err = f.Events.Head(ctx); err != nil {
		return 0, 0, 0, err
	}
	if applied, err = f.latest(ctx, mark.Number); err != nil {
		return 0, 0, 0, err
	}
	behind, err = f.waiting(ctx, applied)
	return head, applied, behind, err
}

// waiting returns how long the event after this one has been in the event store; 0 if there is none.
func (f *Folder) waiting(ctx context.Context, after uint64) (time.Duration, error) {
	appended, there, err := f.Events.AppendedAt(ctx, after+1)
	if err != nil || !there {
		return 0, err
	}
	return max(0, time.Since(appended)), nil
}

// The limits of the embedded health checks: a projector that is further behind is failing, and so is a disk
// with less free space.
const (
	maxLag      = 5 * time.Second
	minDiskFree = 256 << 20
)

// markOf returns how far a reader of the events has come.
func markOf(reader string, c projection.Checkpoint) (eventstore.Mark, error) {
	mark, err := eventstore.ParseMark(c.Cursor)
	if err != nil {
		return mark, fmt.Errorf("the checkpoint of the %s is damaged: %w", reader, err)
	}
	return mark, nil
}

// holds fails with eventstore.ErrOtherStore, saying what to do, if the event store lacks the event of a mark.
func (f *Folder) holds(ctx context.Context, m eventstore.Mark) error {
	return otherStore(f.Events.Holds(ctx, m))
}

// otherStore adds what to do to eventstore.ErrOtherStore.
func otherStore(err error) error {
	if errors.Is(err, eventstore.ErrOtherStore) {
		return fmt.Errorf("%w: put the newer file back, or make a new folder of what is in the log (runbook lost-events.md)", err)
	}
	return err
}

// CheckEvents fails with eventstore.ErrOtherStore, saying what to do, if the event store is not the one that
// was projected and archived but an older copy, or one that has lost its last events. What was derived from
// the events must not be changed to match it.
func (f *Folder) CheckEvents(ctx context.Context) error {
	if f.alien != nil {
		return f.alien
	}
	furthest := uint64(0)
	for _, reader := range []string{projectorName, archiverName} {
		c, err := f.Control.Checkpoint(ctx, reader)
		if err != nil {
			return err
		}
		mark, err := markOf(reader, c)
		if err == nil {
			err = f.holds(ctx, mark)
		}
		if err != nil {
			return err
		}
		furthest = max(furthest, mark.Number)
	}
	logged, _, err := f.logged(ctx)
	if err == nil {
		err = f.checkCutOff(ctx, max(logged, furthest))
	}
	return otherStore(err)
}

// CheckChanges is CheckEvents before a change: it also fails if a server would not see the change.
func (f *Folder) CheckChanges(ctx context.Context) error {
	if err := f.CheckServed(); err != nil {
		return err
	}
	return f.CheckEvents(ctx)
}

// probedStore wraps the event store for its probe.
type probedStore struct{ *Folder }

// Load also detects that the event store was replaced.
func (s probedStore) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	if err := s.CheckEvents(ctx); err != nil {
		if errors.Is(err, eventstore.ErrOtherStore) {
			err = errors.Join(health.Problemf("%v: stop the server and see the runbook lost-events.md", eventstore.ErrOtherStore), err)
		}
		return nil, err
	}
	return s.Folder.Events.Load(ctx, stream, after)
}

// whileFit wraps a probe. It fails if rows are older than the events applied to them, or newer than the event
// store.
func whileFit(p health.Probe, check func(context.Context) error) health.Probe {
	return health.Probe{Name: p.Name, Check: func(ctx context.Context) (string, error) {
		detail, err := p.Check(ctx)
		if err == nil {
			if err = check(ctx); isMisfit(err) {
				err = errors.Join(health.Problemf("%v", err), err)
			}
		}
		return detail, err
	}}
}

// Health returns the health checks of the folder.
func (f *Folder) Health() *health.Checker {
	return &health.Checker{
		Now: time.Now,
		Probes: []health.Probe{
			f.whilePlaced(f.whileMarked(health.EventStore(probedStore{f})), eventsPart),
			f.whilePlaced(whileFit(health.ReadModel(f.Control, f.Tables, canteen.Projections().Names()...), f.CheckRows), controlPart),
			health.ProjectionLag(maxLag, func(ctx context.Context) (health.Lag, error) {
				head, applied, behind, err := f.lag(ctx)
				return health.Lag{Behind: behind, Detail: fmt.Sprintf("event %d of %d applied", applied, head)}, err
			}),
			f.whilePlaced(health.LogLag(maxArchiveLag, func(ctx context.Context) (health.Lag, error) { return f.logLag(ctx, time.Now()) }), ledgerPart, blobsPart),
			health.Parked(f.Control, f.Tables, canteen.Projections().Names()...),
			health.AuditChain(f.Control, f.witness().Check),
			health.Disk(minDiskFree, func() (uint64, error) { return files.DiskFree(f.Dir) }),
		},
	}
}
