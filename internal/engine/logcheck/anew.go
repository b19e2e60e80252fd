package logcheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// Messages about objects left of a log whose ledger and manifests are gone.
const (
	anew      = "nothing says what the log was, and all events that are left of it are in the event store: it is made anew from that, and `gakushoku archive sweep` removes the objects that are left"
	noRecords = "there are no manifests to restore the ledger from: put log.db or log/manifests back from a backup; without one, `gakushoku archive verify --deep --fix` makes the log anew from an event store that has all that is left of it"
)

// errContradicts says why the log is not rebuilt from the event store.
var errContradicts = errors.New("the log is not made anew")

// emptyLedger reports objects that exist although the ledger has no segment. Young objects may come from
// archivers that died before the first commit, so it counts them only if a segment is known to have been
// committed.
func (s *structure) emptyLedger(ctx context.Context) error {
	if s.head.Number > 0 || len(s.known) > 0 || s.report.Counts[ManifestExtra] > 0 {
		return nil
	}
	objects := 0
	for _, object := range s.unnamed {
		if errors.Is(s.blocked, eventlog.ErrLedgerBehind) || s.isOld(object) {
			objects++
		}
	}
	lost := emptyLedger(objects)
	if lost == nil {
		return nil
	}
	p := Problem{Kind: WrongHead, Detail: lost.Error()}
	if s.fix && s.report.Deep {
		err := s.makeAnew(ctx)
		if err != nil && !errors.Is(err, errContradicts) {
			return err
		}
		if p.Fixed, p.Detail = err == nil, anew; err != nil {
			p.Detail = err.Error()
		}
	}
	if !p.Fixed {
		s.unsure = "the ledger does not have all of the log"
	}
	s.report.add(p)
	return nil
}

// makeAnew decides whether a log whose ledger and manifests are gone can be rebuilt from the event store: if
// the store is not known to have lost events, and has every event of every remaining object.
func (s *structure) makeAnew(ctx context.Context) error {
	if errors.Is(s.blocked, eventstore.ErrOtherStore) {
		return fmt.Errorf("%w: %w", errContradicts, s.blocked)
	}
	for _, key := range slices.Sorted(maps.Keys(s.unnamed)) {
		data, err := s.Blobs.Get(ctx, key)
		if err == nil {
			err = s.holdsAll(ctx, key, data)
		}
		if noObject(err) {
			err = fmt.Errorf("%w: %w", errContradicts, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holdsAll checks that the store has the same events as an object.
func (s *structure) holdsAll(ctx context.Context, key string, data []byte) error {
	held := newIndex(part{0, 1})
	var e event.Event
	err := eventlog.EachLine(data, func(line []byte) error {
		err := event.Decode(line, &e)
		if err == nil && held.add(&e) != added {
			err = fmt.Errorf("it has version %d of %s twice", e.Version, e.Stream)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w, since %s cannot be read: restore it from a backup, or move it away and keep it, then try again: %w", errContradicts, key, err)
	}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(held.streams)), streamPage) {
		if err := s.holdsStreams(ctx, key, held, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *structure) holdsStreams(ctx context.Context, key string, held *index, names []string) error {
	streams, err := s.Store.LoadMany(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		have := held.streams[name]
		for i := range streams[name] {
			e := &streams[name][i]
			if digest := have.at(e.Version); digest != 0 && digest == held.digests.Of(e) {
				have.digests[e.Version-1] = 0
			}
		}
		have.left(func(version uint64) {
			err = fmt.Errorf("%w: %s has version %d of %s, which the event store does not have like that", errContradicts, key, version, name)
		})
	}
	return err
}
