package retire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Store is the event store that events are retired from: as it is, not a Whole.
type Store interface {
	eventstore.Store
	eventstore.Pruner
}

// Retirer retires streams and puts them back. Several may run at once, in any number of processes.
type Retirer struct {
	Store Store
	Log   *eventlog.Reader
	Rules []model.Closing
	Now   func() time.Time
	NewID func() string
	// Hold is how long the last event of a stream must have been in the log: longer than a command may hold what
	// it loaded before. A store that does not check that an append follows the last version would let such a
	// command take the place of a deleted event. 0 for a store that checks it.
	Hold time.Duration
	// Workers is how many tombstones are appended at once; 0 is a small default. 1 makes the sequence
	// deterministic.
	Workers int
}

// Options say what is retired.
type Options struct {
	OlderThan time.Duration // the last event of a stream is older than this; at least LeastAge
	BatchSize int           // streams of which the events are deleted at once; 0: DefaultBatch
	DryRun    bool          // only count
	Progress  func(Report)  // called after each batch; may be nil
}

// The bounds of Options.
const (
	LeastAge     = 24 * time.Hour
	DefaultBatch = 1000
	MaxBatch     = 100_000
)

// ErrOptions means that nothing can be retired with the given options.
var ErrOptions = errors.New("nothing is retired like that")

// Report is what a Retirer did, or would do.
type Report struct {
	Streams  int64 `json:"streams"`  // that were retired
	Events   int64 `json:"events"`   // that their tombstones stand for
	Finished int64 `json:"finished"` // streams of which an earlier run had deleted only a part
	Deleted  int64 `json:"deleted"`  // events deleted from the event store
	Kept     Kept  `json:"kept"`
	DryRun   bool  `json:"dryRun,omitempty"`
}

// Kept are the streams that were left as they are, by reason.
type Kept struct {
	Retired int64 `json:"retired"` // they are retired already
	Open    int64 `json:"open"`    // something may happen to them, or they are of a kind that is never closed
	Young   int64 `json:"young"`   // of the closed ones
	// Unlogged streams have an event that the log does not have, not long enough, or not with the same content.
	Unlogged int64 `json:"unlogged"`
	Changed  int64 `json:"changed"` // they got an event meanwhile
	Damaged  int64 `json:"damaged"` // they lack events, or do not follow their rules
}

func (o *Options) check() error {
	switch {
	case o.OlderThan < LeastAge:
		return fmt.Errorf("%w: streams must have been quiet for a day at least, not %s", ErrOptions, o.OlderThan)
	case o.BatchSize < 0 || o.BatchSize > MaxBatch:
		return fmt.Errorf("%w: a batch has 1 to %d streams, not %d", ErrOptions, MaxBatch, o.BatchSize)
	case o.BatchSize == 0:
		o.BatchSize = DefaultBatch
	}
	return nil
}

const (
	streamPage   = 500    // streams listed at once
	roundStreams = 50_000 // streams compared with the log at once, which bounds memory
	roundEvents  = 500_000
)

// run is one call of Run.
type run struct {
	*Retirer
	options Options
	report  Report
	cutoff  event.Instant // older events count as old
	now     event.Instant
	whole   Whole
	digests eventlog.Digests
	round   map[string]*candidate
	events  int // of the round
	begun   []eventstore.Cut
}

// Run retires the streams that are closed and old enough, and finishes what an earlier run has begun.
func (r *Retirer) Run(ctx context.Context, o Options) (Report, error) {
	if err := o.check(); err != nil {
		return Report{}, err
	}
	if r.Log.Trusted != nil {
		if err := r.Log.Trusted(ctx); err != nil {
			return Report{}, fmt.Errorf("retiring events: %w", err)
		}
	}
	now := r.Now()
	x := &run{
		Retirer: r, options: o, report: Report{DryRun: o.DryRun}, now: event.InstantOf(now), cutoff: event.InstantOf(now.Add(-o.OlderThan)),
		whole: Whole{Store: r.Store, Log: r.Log}, digests: eventlog.NewDigests(), round: map[string]*candidate{},
	}
	if err := x.all(ctx); err != nil {
		return x.report, fmt.Errorf("retiring events: %w", err)
	}
	return x.report, nil
}

func (x *run) all(ctx context.Context) error {
	for names, err := range eventstore.Pages(func(cursor string) ([]string, string, error) {
		return x.Store.Streams(ctx, eventstore.All, cursor, streamPage)
	}) {
		if err == nil {
			err = x.page(ctx, names)
		}
		if err != nil {
			return err
		}
	}
	return x.carryOut(ctx)
}

func (x *run) page(ctx context.Context, names []string) error {
	many, err := x.Store.LoadMany(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if events := many[name]; len(events) > 0 {
			if err := x.consider(ctx, name, events); err != nil {
				return err
			}
		}
	}
	if len(x.round) >= roundStreams || x.events >= roundEvents {
		return x.carryOut(ctx)
	}
	return nil
}

// consider decides about a stream, given what the event store has of it.
func (x *run) consider(ctx context.Context, stream string, stored []event.Event) error {
	last := &stored[len(stored)-1]
	_, holed := hole(stored, 0)
	rule := slices.IndexFunc(x.Rules, func(c model.Closing) bool {
		return len(stream) > len(c.Streams) && stream[:len(c.Streams)] == c.Streams
	})
	switch {
	case holed && tombstone.Is(last):
		return x.finish(ctx, stream, stored)
	case rule < 0:
		x.report.Kept.Open++
		return nil
	}
	history := stored
	if holed {
		var err error
		if history, err = x.whole.Load(ctx, stream, 0); errors.Is(err, ErrHole) {
			x.report.Kept.Damaged++
			return nil
		} else if err != nil {
			return err
		}
	}
	closed, err := x.Rules[rule].Closed(stream, own(history), x.now)
	switch {
	case err != nil:
		x.report.Kept.Damaged++
	case !closed:
		x.report.Kept.Open++
	case last.OccurredAt > x.cutoff:
		x.report.Kept.Young++
	default:
		x.round[stream] = newCandidate(&x.digests, history, stored)
		x.events += len(history)
	}
	return nil
}

// own returns a history without tombstones.
func own(history []event.Event) []event.Event {
	if !slices.ContainsFunc(history, func(e event.Event) bool { return tombstone.Is(&e) }) {
		return history
	}
	return slices.DeleteFunc(slices.Clone(history), func(e event.Event) bool { return tombstone.Is(&e) })
}

// finish notes what an earlier run has left below the tombstone at the end of a stream, once the log has shown
// that it has the whole.
func (x *run) finish(ctx context.Context, stream string, stored []event.Event) error {
	if len(stored) == 1 {
		x.report.Kept.Retired++
		return nil
	}
	if _, err := x.whole.Load(ctx, stream, 0); err != nil {
		return err
	}
	x.begun = append(x.begun, cutOf(stream, stored))
	return nil
}

// cutOf returns the cut below the last event of a stream.
func cutOf(stream string, stored []event.Event) eventstore.Cut {
	c := eventstore.Cut{Stream: stream, Through: stored[len(stored)-1].Version - 1}
	for i := range stored[:len(stored)-1] {
		c.Versions = append(c.Versions, stored[i].Version)
	}
	return c
}
