package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// After a partial restore, the stores of a folder may be of different ages or from different folders. Each
// records how far the others were: the control records record how far events were applied and archived, the
// ledger from which events each segment was made, a table the row of the last applied event. The functions
// below compare these records.

// logged returns the number up to which the log has all events of the event store, according to the log's own
// records. It is unknown for a log that is empty or has no such record. logged fails with
// eventstore.ErrOtherStore if the log and the event store have different events.
func (f *Folder) logged(ctx context.Context) (number uint64, known bool, err error) {
	if err := f.checkBeside(ctx); err != nil {
		return 0, false, err
	}
	claimed, err := f.claimed(ctx)
	if err != nil {
		return 0, false, err
	}
	last, known, err := f.lastLogged(ctx)
	return max(claimed, last), known || claimed > 0, err
}

// claimed returns the last event of the newest claim in the ledger; 0 when it has none.
func (f *Folder) claimed(ctx context.Context) (uint64, error) {
	source, records, err := f.Ledger.Newest(ctx)
	if err != nil || source == "" {
		return 0, err
	}
	mark, err := eventstore.ParseMark(source)
	if err != nil {
		return 0, fmt.Errorf("reading which events are in the log: %w", err)
	}
	last := mark.Number + uint64(records) - 1
	if err := f.wantLogged(ctx, mark, last); err != nil {
		return 0, fmt.Errorf("looking for the last events of the log: %w", err)
	}
	return last, nil
}

// wantLogged checks that the event store has the first event of the newest segment, unless it has a hole
// there, and at least as many events as the log.
func (f *Folder) wantLogged(ctx context.Context, first eventstore.Mark, last uint64) error {
	found, err := f.Events.MarkAfter(ctx, first.Number-1, 1)
	if err != nil {
		return err
	}
	if found.ID != "" && found.ID != first.ID {
		return fmt.Errorf("%w: event %d is %s, in the log it is %s", eventstore.ErrOtherStore, first.Number, found.ID, first.ID)
	}
	head, err := f.Events.Head(ctx)
	if err == nil && head < last {
		err = fmt.Errorf("%w: it ends at event %d, the log has those up to %d", eventstore.ErrOtherStore, head, last)
	}
	return err
}

// lastLogged is logged for a last segment without a claim, as after the ledger was restored from manifests.
// It uses the segment's events; if all are retired, it is unknown.
func (f *Folder) lastLogged(ctx context.Context) (number uint64, known bool, err error) {
	head, err := f.Log().Head(ctx)
	if err != nil || head.Number == 0 {
		return 0, false, err
	}
	last, err := f.lastManifest(ctx, head)
	if err != nil || last == nil {
		return 0, false, err
	}
	if source, _, err := f.Ledger.Covering(ctx, last.First); err != nil || source != "" {
		return 0, false, err
	}
	return f.stored(ctx, last.Key)
}

// checkBeside fails with eventstore.ErrOtherStore if the ledger lacks manifests that are beside the segments,
// and the event store lacks the events of the last of them: then both are older than the log.
func (f *Folder) checkBeside(ctx context.Context) error {
	head, err := f.Log().Head(ctx)
	if err != nil {
		return err
	}
	if _, err := f.Log().WholeHead(ctx); !errors.Is(err, eventlog.ErrLedgerBehind) {
		return err
	}
	newest, err := f.newestBeside(ctx, head.Number)
	if err != nil || newest == nil {
		return err
	}
	_, _, err = f.stored(ctx, newest.Key)
	return err
}

// newestBeside reads the last manifest beside the segments; nil if it is unreadable.
func (f *Folder) newestBeside(ctx context.Context, after uint64) (*eventlog.Manifest, error) {
	key := eventlog.ManifestKey(after)
	for b, err := range eventlog.Objects(ctx, f.Blobs, eventlog.ManifestFolder, key) {
		if err != nil {
			return nil, err
		}
		key = b.Key
	}
	raw, err := f.Blobs.Get(ctx, key)
	if errors.Is(err, eventlog.ErrNoBlob) || errors.Is(err, eventlog.ErrTooLarge) {
		return nil, nil
	}
	var m eventlog.Manifest
	if err == nil && json.Unmarshal(raw, &m) != nil {
		return nil, nil // restoring the manifests reports it
	}
	return &m, err
}

// stored returns the number in the event store of the newest event of a segment. It is unknown if the object
// is missing or damaged, which a verification reports. stored fails with eventstore.ErrOtherStore if the
// event store lacks one of the events, or has another in its place.
func (f *Folder) stored(ctx context.Context, key string) (number uint64, known bool, err error) {
	f.lastSegment.Lock()
	defer f.lastSegment.Unlock()
	if f.lastSegment.key == key {
		return f.lastSegment.number, true, nil
	}
	data, err := f.Blobs.Get(ctx, key)
	if errors.Is(err, eventlog.ErrNoBlob) || errors.Is(err, eventlog.ErrTooLarge) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	var e event.Event
	var missing error
	damaged := eventlog.EachLine(data, func(line []byte) error {
		if err := event.Decode(line, &e); err != nil {
			return err
		}
		at, err := f.numberOf(ctx, &e)
		number, missing = max(number, at), err
		return err
	})
	if missing != nil || damaged != nil || number == 0 {
		return 0, false, missing
	}
	f.lastSegment.key, f.lastSegment.number = key, number
	return number, true, nil
}

// numberOf returns the number in the event store of an event of the log; 0 if it is retired. Otherwise it must
// exist.
func (f *Folder) numberOf(ctx context.Context, e *event.Event) (uint64, error) {
	at, err := f.Events.NumberOf(ctx, e.Stream, e.Version)
	if err != nil {
		return 0, err
	}
	if at == 0 {
		if whole, err := f.Ports.Events.LoadMany(ctx, []string{e.Stream}); err != nil || holds(whole[e.Stream], e) {
			return 0, err
		}
		return 0, fmt.Errorf("%w: the log has version %d of %s, which it lacks", eventstore.ErrOtherStore, e.Version, e.Stream)
	}
	found, err := f.Events.MarkAfter(ctx, at-1, 1)
	if err == nil && found.ID != e.ID {
		err = fmt.Errorf("%w: version %d of %s is %s, in the log it is %s", eventstore.ErrOtherStore, e.Version, e.Stream, found.ID, e.ID)
	}
	return at, err
}

// holds reports whether a stream has an event.
func holds(history []event.Event, e *event.Event) bool {
	return slices.ContainsFunc(history, func(o event.Event) bool { return o.Version == e.Version && o.ID == e.ID })
}

// lastManifest returns the manifest at the head; nil when there is none.
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

// ErrObjectsLost means that segments in the ledger are missing from log/.
var ErrObjectsLost = errors.New("objects of the log are missing: make them again with `gakushoku archive verify --fix`")

// checkObjects fails with ErrObjectsLost when the object of the first or the last segment is
// missing: emptying or replacing log/ removes one of them.
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

// batchOf returns the events from which a segment was made, if known: the ledger remembers them for some
// days, and until a repair an event has the same number in the log and in the event store.
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

// isMisfit reports whether an error means that stores of a folder do not belong together.
func isMisfit(err error) bool {
	return errors.Is(err, eventstore.ErrOtherStore) || errors.Is(err, ErrRowsBehind) || errors.Is(err, ErrRowsAhead) || errors.Is(err, ErrObjectsLost)
}

// misfit returns why the stores of this folder do not belong together; "" if they do.
func (f *Folder) misfit(ctx context.Context) (string, error) {
	var whys []string
	for _, check := range []func(context.Context) error{f.CheckEvents, f.CheckRows, f.checkObjects} {
		err := check(ctx)
		switch {
		case isMisfit(err):
			whys = append(whys, err.Error())
		case err != nil:
			return "", err
		}
	}
	return strings.Join(whys, "; "), nil
}

// eventsMisfit is misfit for a caller that compares rows with the events itself.
func (f *Folder) eventsMisfit(ctx context.Context) (string, error) {
	err := f.CheckEvents(ctx)
	if errors.Is(err, eventstore.ErrOtherStore) {
		return err.Error(), nil
	}
	return "", err
}

// checkCutOff fails with eventstore.ErrOtherStore if the event store was copied without its write-ahead log,
// unless other stores have seen its last event: then none can be missing.
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
