package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/eventstore"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
	"gakushoku/internal/wait"
)

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	Projection string        `json:"projection"`
	From       int           `json:"fromVersion"`
	To         int           `json:"toVersion"`
	Streams    int           `json:"streams"`
	Duration   time.Duration `json:"durationNs"`
}

// rebuildPage is how many streams are folded between two reports of progress.
const rebuildPage = 500

// Rebuild makes a projection anew from the event store and switches readers to it, while a
// server may go on writing. The new table version is announced first; once no projector can
// be left that does not know it, every stream is folded into it by the code that heals rows,
// so what happens meanwhile cannot be lost. progress is called with the streams done so far.
func (f *Folder) Rebuild(ctx context.Context, name string, progress func(streams int)) (Rebuilt, error) {
	started := time.Now()
	d, err := definitionOf(name)
	if err != nil {
		return Rebuilt{}, err
	}
	before, table, err := f.announce(ctx, d)
	if err != nil {
		return Rebuilt{}, err
	}
	result := Rebuilt{Projection: name, From: before.Number, To: table.Version}
	log := observe.Logger(ctx)
	log.Info().Str(observe.FieldProjection, table.String()).Msg("reproject:start")
	result.Streams, err = f.fill(ctx, d, table, progress)
	if err == nil {
		err = f.switchTo(ctx, name, before.Number, table)
	}
	if err != nil {
		// Nobody reads the new version: take it away, even when ctx has ended.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return result, errors.Join(fmt.Errorf("rebuilding %s: %w", name, err), f.forget(cleanup, table))
	}
	result.Duration = time.Since(started)
	log.Info().Str(observe.FieldProjection, table.String()).Int("streams", result.Streams).
		Int64(observe.FieldDurationMs, result.Duration.Milliseconds()).Msg("reproject:done")
	return result, nil
}

func definitionOf(name string) (projection.Definition, error) {
	var names []string
	for _, d := range definitions() {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return projection.Definition{}, fmt.Errorf("there is no projection %q: choose one of %v", name, names)
}

// announce makes the next table version and tells every projector to write it too.
func (f *Folder) announce(ctx context.Context, d projection.Definition) (active projection.Version, t projection.Table, err error) {
	p, err := f.Control.Pointer(ctx, d.Name)
	if err != nil {
		return active, t, err
	}
	active, ok := p.ActiveVersion()
	if !ok {
		return active, t, fmt.Errorf("%s has no active version", d.Name)
	}
	for _, v := range p.Versions {
		if v.State == projection.Building {
			// Whoever was building it died: this run takes its place.
			if err := f.forget(ctx, p.Table(v)); err != nil {
				return active, t, err
			}
			return f.announce(ctx, d)
		}
	}
	v := projection.Version{Number: p.Next, Revision: d.Revision, State: projection.Building, Joined: true, RunID: observe.NewID()}
	t = p.Table(v)
	if err := f.Tables.Create(ctx, t); err != nil {
		return active, t, fmt.Errorf("creating %s: %w", t, err)
	}
	p.Next++
	p.Versions = append(p.Versions, v)
	if err := f.Control.SetPointer(ctx, p); err != nil {
		return active, t, errors.Join(fmt.Errorf("announcing %s: %w", t, err), f.Tables.Drop(ctx, t))
	}
	return active, t, settle(ctx)
}

// settle waits until every process has read the pointer again.
func settle(ctx context.Context) error {
	return wait.For(ctx, 2*pointerTTL)
}

// fill folds every stream into the table.
func (f *Folder) fill(ctx context.Context, d projection.Definition, t projection.Table, progress func(int)) (int, error) {
	projector := f.Projector()
	done := 0
	for cursor := ""; ; {
		streams, next, err := f.Events.Streams(ctx, eventstore.All, cursor, rebuildPage)
		if err != nil {
			return done, err
		}
		if err := projector.Heal(ctx, d, t, streams); err != nil {
			return done, err
		}
		done += len(streams)
		progress(done)
		if cursor = next; next == "" {
			return done, nil
		}
	}
}

// switchTo shows the new version to readers and drops the old one once nobody can be left
// that reads it.
func (f *Folder) switchTo(ctx context.Context, name string, old int, t projection.Table) error {
	err := f.change(ctx, name, func(p *projection.Pointer) {
		for i := range p.Versions {
			switch p.Versions[i].Number {
			case t.Version:
				p.Versions[i].State = projection.Active
			case old:
				p.Versions[i].State = projection.Previous
			}
		}
	})
	if err != nil {
		return fmt.Errorf("switching to %s: %w", t, err)
	}
	if err := settle(ctx); err != nil {
		return nil // the switch is done; the next rebuild or start finds the old version
	}
	return f.forget(ctx, projection.Table{Projection: name, Version: old})
}

// forget takes a version off the pointer and drops its table.
func (f *Folder) forget(ctx context.Context, t projection.Table) error {
	err := f.change(ctx, t.Projection, func(p *projection.Pointer) {
		kept := p.Versions[:0]
		for _, v := range p.Versions {
			if v.Number != t.Version || v.State == projection.Active {
				kept = append(kept, v)
			}
		}
		p.Versions = kept
	})
	if err != nil {
		return fmt.Errorf("removing %s: %w", t, err)
	}
	return f.Tables.Drop(ctx, t)
}

// change applies f to the pointer, again when somebody else was faster.
func (f *Folder) change(ctx context.Context, name string, edit func(*projection.Pointer)) error {
	for range 10 {
		p, err := f.Control.Pointer(ctx, name)
		if err != nil {
			return err
		}
		edit(&p)
		err = f.Control.SetPointer(ctx, p)
		if !errors.Is(err, projection.ErrPointerChanged) {
			f.Pointers.Forget(name)
			return err
		}
	}
	return fmt.Errorf("%s: %w too often", name, projection.ErrPointerChanged)
}
