package embedded

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// A rebuild may bring more events into its version than the projector has applied, as after an import. When
// readers are switched to such a version, the projector skips these events. Other versions may lack them;
// for each of those a separate reader brings it up to date, with a checkpoint of its own.

// latecomer names the reader that brings one version of a projection up to date.
func latecomer(name string, v projection.Version) string {
	return fmt.Sprintf("%s/%s/%d", projectorName, name, v.Number)
}

// skipAhead moves the projector's checkpoint to the last event that every version that readers see reflects. It
// first records which other versions may lack events; a crash in between only causes them to be written twice.
func (f *Folder) skipAhead(ctx context.Context) error {
	checkpoint, err := f.Control.Checkpoint(ctx, projectorName)
	if err != nil {
		return err
	}
	mark, err := markOf(projectorName, checkpoint)
	if err != nil {
		return err
	}
	reflected, others, err := f.reflectedByAll(ctx, mark.Number)
	if err != nil || reflected <= mark.Number {
		return err
	}
	for _, reader := range others {
		noted, err := f.Control.Checkpoint(ctx, reader)
		if err != nil {
			return err
		}
		if noted.AppliedAt != 0 {
			continue // this version is further behind already
		}
		checkpoint.AppliedAt = event.InstantOf(time.Now())
		if err := f.Control.SetCheckpoint(ctx, reader, checkpoint); err != nil {
			return err
		}
	}
	last, err := f.Events.MarkAfter(ctx, reflected-1, 1)
	if err != nil {
		return err
	}
	checkpoint.Cursor, checkpoint.AppliedAt = last.String(), event.InstantOf(time.Now())
	if err := f.Control.SetCheckpoint(ctx, projectorName, checkpoint); err != nil {
		return err
	}
	observe.Logger(ctx).Info().Uint64("from", mark.Number).Uint64("to", last.Number).Msg("projection:skipped-ahead")
	return nil
}

// reflectedByAll returns the number of the last event up to which every active version is complete, given that
// the projector has applied the first ones, and the readers that bring the other versions up to date. No reader
// waits for a process, so the active version of one that is behind is brought up to date like the others.
func (f *Folder) reflectedByAll(ctx context.Context, applied uint64) (reflected uint64, others []string, err error) {
	if reflected, err = f.Events.Head(ctx); err != nil {
		return 0, nil, err
	}
	head := reflected
	behind := map[string]uint64{}
	for _, name := range canteen.Projections().Names() {
		pointer, err := f.Control.Pointer(ctx, name)
		if err != nil {
			return 0, nil, err
		}
		for _, v := range pointer.Versions {
			if v.Live() && v.State != projection.Active {
				others = append(others, latecomer(name, v))
			}
		}
		had, err := f.complete(ctx, pointer, applied, head)
		if err != nil {
			return 0, nil, err
		}
		if active, ok := pointer.ActiveVersion(); ok && isProcess(name) {
			behind[latecomer(name, active)] = had
			continue
		}
		reflected = min(reflected, had)
	}
	for reader, had := range behind {
		if had < reflected {
			others = append(others, reader)
		}
	}
	return reflected, others, nil
}

func isProcess(projection string) bool {
	return slices.Contains(canteen.Processes().Names(), projection)
}

// complete returns the number of the last event up to which the active version of a projection is complete,
// given that the projector has applied the first ones: a rebuild may have brought in more, and those that do not
// concern the projection need not be brought in.
func (f *Folder) complete(ctx context.Context, p projection.Pointer, applied, head uint64) (uint64, error) {
	had, err := f.reflected(ctx, p, head)
	if err != nil || had > applied {
		return had, err
	}
	return f.untouched(ctx, p.Projection, applied, head)
}

// untouched returns head if none of the events after the first applied ones concern a projection, otherwise
// applied.
func (f *Folder) untouched(ctx context.Context, name string, applied, head uint64) (uint64, error) {
	d, err := canteen.Projections().Named(name)
	if err != nil {
		return 0, err
	}
	if last, err := f.Events.LastOf(ctx, d.Streams); err != nil || last > applied {
		return applied, err
	}
	return head, nil
}

// late returns the checkpoints of the live versions that are being brought up to date.
func (f *Folder) late(ctx context.Context, name string, wanted func(projection.Version) bool) (map[projection.Version]projection.Checkpoint, error) {
	pointer, err := f.Control.Pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	late := map[projection.Version]projection.Checkpoint{}
	for _, v := range pointer.Versions {
		if !v.Live() || !wanted(v) {
			continue
		}
		c, err := f.Control.Checkpoint(ctx, latecomer(name, v))
		if err != nil {
			return nil, err
		}
		if c.AppliedAt != 0 {
			late[v] = c
		}
	}
	return late, nil
}

// latest returns how far the active version that is furthest behind is, if readers were switched back to one
// that is not up to date; otherwise it returns applied. Processes are left out: no reader waits for them.
func (f *Folder) latest(ctx context.Context, applied uint64) (uint64, error) {
	for _, name := range slices.DeleteFunc(canteen.Projections().Names(), isProcess) {
		late, err := f.late(ctx, name, func(v projection.Version) bool { return v.State == projection.Active })
		if err != nil {
			return 0, err
		}
		for v, c := range late {
			mark, err := markOf(latecomer(name, v), c)
			if err != nil {
				return 0, err
			}
			applied = min(applied, mark.Number)
		}
	}
	return applied, nil
}

// latePause is the interval in which a server looks for versions to bring up to date, and for switches
// after which the projector can skip events.
const latePause = time.Second

// bringLate skips ahead and brings late versions up to date until ctx ends.
func (f *Folder) bringLate(ctx context.Context) {
	for wait.For(ctx, latePause) == nil {
		err := f.skipAhead(ctx)
		if err == nil {
			err = f.bringAll(ctx)
		}
		if err != nil && ctx.Err() == nil {
			observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Msg("projection:late-delayed")
		}
	}
}

// bringAll brings every late version up to the last event of the event store.
func (f *Folder) bringAll(ctx context.Context) error {
	for _, name := range canteen.Projections().Names() {
		late, err := f.late(ctx, name, projection.Version.Live)
		if err != nil {
			return err
		}
		for v := range late {
			if err := f.bring(ctx, name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring applies the events that a version lacks. The projector, too, writes that version from now on, so
// it is complete once the last event of the event store is reached.
func (f *Folder) bring(ctx context.Context, name string, v projection.Version) error {
	follower := f.Follower()
	follower.Name = latecomer(name, v)
	follower.Projector.Pointers = &projection.CachedPointers{Source: only{f.Control, name, v.Number}, TTL: pointerTTL, Now: time.Now}
	for {
		more, err := follower.Once(ctx)
		if err != nil {
			return fmt.Errorf("bringing %s to where the others are: %w", projection.Table{Projection: name, Version: v.Number}, err)
		}
		if !more {
			return f.Control.SetCheckpoint(ctx, follower.Name, projection.Checkpoint{})
		}
	}
}

// only shows a single version of one projection, and none of other projections.
type only struct {
	projection.Pointers
	name    string
	version int
}

// Pointer implements projection.Pointers.
func (o only) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	p, err := o.Pointers.Pointer(ctx, name)
	var shown []projection.Version
	for _, v := range p.Versions {
		if name == o.name && v.Number == o.version {
			shown = append(shown, v)
		}
	}
	p.Versions = shown
	return p, err
}
