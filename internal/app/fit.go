package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/event"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
)

// The parts of a folder may be of different ages, or of different folders, when somebody restored
// only some of them. Each says how far the others had come: the control records how far the events
// were applied and archived, the ledger which events each segment was made of, a table the row of
// the last event that was applied. What follows compares these.

// logged is up to which event of the store the log has all, by its own records; it is not known of
// a log that is empty or was never told. It fails with eventstore.ErrOtherStore when the log is of
// other events than the store has.
func (f *Folder) logged(ctx context.Context) (number uint64, known bool, err error) {
	source, records, err := f.Ledger.Newest(ctx)
	if err != nil {
		return 0, false, err
	}
	if source == "" {
		return f.lastLogged(ctx)
	}
	mark, err := eventstore.ParseMark(source)
	if err != nil {
		return 0, false, fmt.Errorf("reading which events are in the log: %w", err)
	}
	last := mark.Number + uint64(records) - 1
	if err := f.wantLogged(ctx, mark, last); err != nil {
		return 0, false, fmt.Errorf("looking for the last events of the log: %w", err)
	}
	return last, true, nil
}

// wantLogged wants the first event of the newest segment in the store, unless that has a hole there,
// and as many events as the log has.
func (f *Folder) wantLogged(ctx context.Context, first eventstore.Mark, last uint64) error {
	found, err := f.Events.MarkAfter(ctx, first.Number-1, 1)
	if err != nil {
		return err
	}
	if found.Number == first.Number && found.ID != first.ID {
		return fmt.Errorf("%w: event %d is %s, in the log it is %s", eventstore.ErrOtherStore, first.Number, found.ID, first.ID)
	}
	head, err := f.Events.Head(ctx)
	if err == nil && head < last {
		err = fmt.Errorf("%w: it ends at event %d, the log has those up to %d", eventstore.ErrOtherStore, head, last)
	}
	return err
}

// lastLogged is logged for a ledger that was made anew from the manifests: by the events of the
// last segment.
func (f *Folder) lastLogged(ctx context.Context) (number uint64, known bool, err error) {
	head, err := f.Log().Head(ctx)
	if err != nil || head.Number == 0 {
		return 0, false, err
	}
	f.lastSegment.Lock()
	defer f.lastSegment.Unlock()
	if f.lastSegment.head == head.Number {
		return f.lastSegment.number, true, nil
	}
	last, err := f.lastManifest(ctx, head)
	if err != nil || last == nil {
		return 0, false, err
	}
	err = f.Log().Events(ctx, last.First-1, head.Number, func(_ uint64, e *event.Event) error {
		at, err := f.Events.NumberOf(ctx, e.Stream, e.Version)
		if err == nil && at == 0 {
			err = fmt.Errorf("%w: the log has version %d of %s", eventstore.ErrOtherStore, e.Version, e.Stream)
		}
		number = max(number, at)
		return err
	})
	if errors.Is(err, eventlog.ErrNoBlob) {
		return 0, false, nil // which health tells
	}
	if err == nil {
		f.lastSegment.head, f.lastSegment.number = head.Number, number
	}
	return number, err == nil, err
}

// lastManifest is the manifest at the head; nil when there is none.
func (f *Folder) lastManifest(ctx context.Context, head eventlog.Head) (*eventlog.Manifest, error) {
	if head.Number == 0 {
		return nil, nil
	}
	manifests, err := f.Ledger.Manifests(ctx, head.Number-1, 1)
	if err != nil || len(manifests) == 0 {
		return nil, err
	}
	return &manifests[0], nil
}

// ErrObjectsLost says that segments that the ledger knows are not in log/.
var ErrObjectsLost = errors.New("objects of the log are missing: make them again with `gakushoku archive verify --fix`")

// checkObjects fails with ErrObjectsLost when the object of the first or of the last segment is not
// there: whoever empties or replaces log/ takes one of them.
func (f *Folder) checkObjects(ctx context.Context) error {
	head, err := f.Log().Head(ctx)
	if err != nil || head.Number == 0 {
		return err
	}
	first, err := f.Ledger.Manifests(ctx, 0, 1)
	if err != nil {
		return err
	}
	last, err := f.lastManifest(ctx, head)
	if err != nil || last == nil {
		return err
	}
	for _, m := range append(first, *last) {
		if _, err := f.Blobs.GetRange(ctx, m.Key, 0, 1); errors.Is(err, eventlog.ErrNoBlob) {
			return fmt.Errorf("%w (%s)", ErrObjectsLost, m.Key)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// batchOf returns the events that a segment was made of, as far as that is known: the ledger
// remembers it for some days, and without repairs the log and the store have the same numbers.
func (f *Folder) batchOf(ctx context.Context, m *eventlog.Manifest) ([]event.Event, error) {
	from := eventstore.Mark{Number: m.First}
	source, _, err := f.Ledger.Covering(ctx, m.First)
	if err != nil {
		return nil, err
	}
	if mark, err := eventstore.ParseMark(source); err == nil && mark.Number > 0 {
		from = mark
	}
	events, _, err := f.Events.Since(ctx, eventstore.Mark{Number: from.Number - 1}, m.Count())
	if errors.Is(err, eventstore.ErrOtherStore) {
		return nil, nil
	}
	return events, err
}

// ErrRowsBehind says that a table lacks what was applied to it: it is an older copy.
var ErrRowsBehind = errors.New("the table lacks events that were applied to it, it is an older copy: bring it up to date with `gakushoku projection verify --fix`, or rebuild the projection")

// CheckRows fails with ErrRowsBehind when an active table does not have the last event that was
// applied. It looks at that one row.
func (f *Folder) CheckRows(ctx context.Context) error {
	checkpoint, err := f.Control.Checkpoint(ctx, projectorName)
	if err != nil {
		return err
	}
	mark, err := markOf(projectorName, checkpoint)
	if err != nil || mark.Number == 0 {
		return err
	}
	events, _, err := f.Events.Since(ctx, eventstore.Mark{Number: mark.Number - 1}, 1)
	if err != nil || len(events) == 0 {
		return err
	}
	var errs []error
	for _, name := range projection.All().Names() {
		errs = append(errs, f.checkRow(ctx, name, &events[0]))
	}
	return errors.Join(errs...)
}

// checkRow wants the active table of a projection to have an event.
func (f *Folder) checkRow(ctx context.Context, name string, e *event.Event) error {
	pointer, err := f.Control.Pointer(ctx, name)
	if err != nil {
		return err
	}
	active, ok := pointer.ActiveVersion()
	d, known := projection.All().Revision(name, active.Revision)
	if !ok || !known || !d.Folds(e.Stream) {
		return nil
	}
	table := pointer.Table(active)
	rows, err := f.Tables.Records(ctx, table, []string{e.Stream})
	if errors.Is(err, projection.ErrNoTable) || errors.Is(err, projection.ErrDamaged) {
		return nil // which is told elsewhere
	}
	if row := rows[e.Stream]; err == nil && row.Version < e.Version && row.Parked == nil {
		err = fmt.Errorf("%s: %w", table, ErrRowsBehind)
	}
	return err
}

// misfit says why the parts of this folder do not belong together, "" when they do.
func (f *Folder) misfit(ctx context.Context) (string, error) {
	var whys []string
	for _, check := range []func(context.Context) error{f.CheckEvents, f.CheckRows, f.checkObjects} {
		err := check(ctx)
		switch {
		case errors.Is(err, eventstore.ErrOtherStore) || errors.Is(err, ErrRowsBehind) || errors.Is(err, ErrObjectsLost):
			whys = append(whys, err.Error())
		case err != nil:
			return "", err
		}
	}
	return strings.Join(whys, "; "), nil
}

// checkCutOff fails with eventstore.ErrOtherStore when the store was copied without its write-ahead
// log, unless others have seen its last event: then nothing can be missing.
func (f *Folder) checkCutOff(ctx context.Context, seen uint64) error {
	if !f.Events.CutOff() {
		return nil
	}
	head, err := f.Events.Head(ctx)
	switch {
	case err != nil:
		return err
	case head > 0 && head == seen:
		f.Events.Confirm()
		return nil
	}
	return fmt.Errorf("%w: %s was copied while a server had it open, without its %s-wal, so events are missing after event %d: copy both, or what `gakushoku events export` writes; to go on with what is there, import that into a new folder",
		eventstore.ErrOtherStore, f.Events.Path(), f.Events.Path(), head)
}
