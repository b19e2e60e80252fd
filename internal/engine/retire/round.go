package retire

import (
	"context"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
)

// candidate is a stream that is closed and old enough, on its way to be compared with the log.
type candidate struct {
	sums    []uint64 // digests by version - 1; 0 once the log has shown the event
	left    int      // events that the log has not shown
	differs bool
	logged  event.Instant // when the last event came into the log
	oldest  event.Instant // event
	newest  event.Instant // event
	retired tombstone.Retired
	segment uint64 // of the last place
	cut     eventstore.Cut
}

// newCandidate takes in a whole stream, of which the event store has a part.
func newCandidate(digests *eventlog.Digests, history, stored []event.Event) *candidate {
	last := &history[len(history)-1]
	c := &candidate{left: len(history), oldest: last.OccurredAt, newest: last.OccurredAt, cut: eventstore.Cut{Stream: last.Stream, Through: last.Version}}
	sum := tombstone.NewSum()
	for i := range history {
		e := &history[i]
		sum.Add(e)
		c.sums = append(c.sums, digests.Of(e))
		c.oldest, c.newest = min(c.oldest, e.OccurredAt), max(c.newest, e.OccurredAt)
	}
	for i := range stored {
		c.cut.Versions = append(c.cut.Versions, stored[i].Version)
	}
	c.retired = tombstone.Retired{Stream: last.Stream, Through: last.Version, SHA256: sum.Hex()}
	return c
}

// met takes in an event of the log.
func (c *candidate) met(m *eventlog.Manifest, number, digest, version uint64) {
	if version < 1 || version > uint64(len(c.sums)) {
		c.differs = true
		return
	}
	if c.sums[version-1] == 0 {
		return // a repeat
	}
	if c.sums[version-1] != digest {
		c.differs = true
		return
	}
	c.sums[version-1] = 0
	c.left--
	if c.segment != m.First {
		c.segment = m.First
		c.retired.Places = append(c.retired.Places, tombstone.Place{Number: number})
	}
	c.retired.Places[len(c.retired.Places)-1].Count++
	if version == c.retired.Through {
		c.logged = m.CreatedAt
	}
}

// carryOut compares the round with the log, and retires what the log has.
func (x *run) carryOut(ctx context.Context) error {
	if err := x.compare(ctx); err != nil {
		return err
	}
	held := event.InstantOf(x.now.Time().Add(-x.Hold))
	var ready []*candidate
	for _, name := range slices.Sorted(maps.Keys(x.round)) {
		if c := x.round[name]; c.differs || c.left > 0 || x.Hold > 0 && c.logged > held {
			x.report.Kept.Unlogged++
		} else {
			ready = append(ready, c)
		}
	}
	clear(x.round)
	x.events = 0
	for batch := range slices.Chunk(ready, x.options.BatchSize) {
		if err := x.retire(ctx, batch); err != nil {
			return err
		}
	}
	begun := x.begun
	x.begun = nil
	for batch := range slices.Chunk(begun, x.options.BatchSize) {
		x.report.Finished += int64(len(batch))
		if err := x.prune(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// compare reads the round's streams from the log.
func (x *run) compare(ctx context.Context) error {
	if len(x.round) == 0 {
		return nil
	}
	head, err := x.Log.WholeHead(ctx)
	if err != nil {
		return err
	}
	var wanted [eventlog.Partitions]bool
	var oldest, newest event.Instant
	for name, c := range x.round {
		if oldest == 0 && newest == 0 {
			oldest, newest = c.oldest, c.newest
		}
		wanted[eventlog.PartitionOf(name)] = true
		oldest, newest = min(oldest, c.oldest), max(newest, c.newest)
	}
	elsewhere := func(m *eventlog.Manifest) bool { return m.NewestAt < oldest || newest < m.OldestAt }
	return x.Log.EachOf(ctx, head.Number, wanted, elsewhere, func(m *eventlog.Manifest, number uint64, e *event.Event) error {
		if c := x.round[e.Stream]; c != nil {
			c.met(m, number, x.digests.Of(e), e.Version)
		}
		return nil
	})
}

const defaultWorkers = 32

// retire appends the tombstones of a batch, then deletes the events below them.
func (x *run) retire(ctx context.Context, batch []*candidate) error {
	done := make([]bool, len(batch))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, x.Workers))
	if x.Workers == 0 {
		group.SetLimit(defaultWorkers)
	}
	for i, c := range batch {
		group.Go(func() (err error) {
			done[i], err = x.bury(groupCtx, c)
			return err
		})
	}
	err := group.Wait()
	var cuts []eventstore.Cut
	for i, c := range batch {
		if !done[i] {
			continue
		}
		x.report.Streams++
		x.report.Events += int64(c.retired.Through)
		cuts = append(cuts, c.cut)
	}
	if err != nil {
		return err
	}
	x.report.Kept.Changed += int64(len(batch) - len(cuts))
	return x.prune(ctx, cuts)
}

// bury appends a tombstone; false if the stream has changed.
func (x *run) bury(ctx context.Context, c *candidate) (bool, error) {
	if x.options.DryRun {
		return true, nil
	}
	e, err := event.New(c.retired)
	if err != nil {
		return false, err
	}
	e.ID, e.OccurredAt, e.CorrelationID = x.NewID(), x.now, x.NewID()
	err = x.Store.Append(ctx, c.retired.Stream, c.retired.Through, []event.Event{e})
	if errors.Is(err, eventstore.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

func (x *run) prune(ctx context.Context, cuts []eventstore.Cut) error {
	if x.options.DryRun {
		for _, c := range cuts {
			x.report.Deleted += int64(len(c.Versions))
		}
	} else {
		deleted, err := x.Store.Prune(ctx, cuts)
		x.report.Deleted += int64(deleted)
		if err != nil {
			return err
		}
	}
	if x.options.Progress != nil {
		x.options.Progress(x.report)
	}
	return nil
}
