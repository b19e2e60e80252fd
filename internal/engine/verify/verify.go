// Package verify says whether a table version holds what the events say. It folds every stream
// from the event store by itself, not through the rows that it checks, while commands and
// projectors go on working, and never takes what they are just doing for a mistake. infra/DESIGN.md
// section 8, step 6, is the specification.
//
// What makes it right without stopping anybody: a row is read before its stream, so the stream
// holds whatever the row holds, and a row is compared at its own version. A row that is behind
// its stream is no mistake yet: it is looked at again after the lag bound, and is stale only
// when it still lacks what the stream had at the first look.
package verify

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/model"
)

// Streams is what a Verifier reads of the event store.
type Streams interface {
	eventstore.Loader
	eventstore.Lister
}

// Log is what a Verifier reads of the numbered log.
type Log interface {
	// Holding tells which of some streams the log has events of.
	Holding(ctx context.Context, streams []string) (map[string]bool, error)
	// Differing tells which of some streams have an event that is not the same in the store and in
	// the log, and which event that is.
	Differing(ctx context.Context, store eventstore.Loader, streams []string) (map[string]string, error)
}

// Verifier compares table versions with the event store. It is safe for concurrent use.
type Verifier struct {
	Tables    projection.Store
	Streams   Streams
	Log       Log                   // tells what the event store has lost from what never was; nil where there is none
	Projector *projection.Projector // heals; only for Options.Fix
	LagBound  time.Duration         // a row behind its stream is looked at again after this long
	Workers   int                   // pages at once; GOMAXPROCS when 0; with 1 everything happens in order
	Now       func() time.Time
	Sleep     func(context.Context, time.Duration) error // wait.For when nil
}

// Options say what is looked at, and what is done about it.
type Options struct {
	Part     eventstore.Part
	Fix      bool              // heal what can be healed
	Sample   float64           // of the streams, above 0 and below 1; 0 for all of them
	Against  *projection.Table // an older version, whose rows are compared with these; nil for none
	Progress func(Progress)    // called after each page, one call at a time; may be nil

	keepMissing bool // Fix leaves rows that are missing for when totals are known
}

// Progress is how far a verification has come.
type Progress struct {
	Rows     int64 // compared
	Events   int64 // folded
	Streams  int64 // looked for in the table
	Waiting  int   // to be looked at again
	Problems int64
}

const (
	pageSize   = 500     // rows and streams at once
	maxWaiting = 100_000 // streams that wait for their second look: what bounds the memory
)

func (v *Verifier) workers() int {
	if v.Workers > 0 {
		return v.Workers
	}
	return runtime.GOMAXPROCS(0)
}

func (v *Verifier) sleep(ctx context.Context, d time.Duration) error {
	if v.Sleep != nil {
		return v.Sleep(ctx, d)
	}
	return wait.For(ctx, d)
}

func (v *Verifier) now() event.Instant { return event.InstantOf(v.Now()) }

// Rows compares one part of a table with the event store: first the streams of the part with the
// table, since a stream without a row shows only there, then the rows with their streams. Where
// the stores keep the order of names and the part is everything, both are read side by side, the
// rows as of one moment.
func (v *Verifier) Rows(ctx context.Context, d model.Projection, t projection.Table, o Options) (*Findings, error) {
	if o.Sample < 0 || o.Sample > 1 {
		return nil, fmt.Errorf("verifying %s: a sample of %g of all streams makes no sense", t, o.Sample)
	}
	if o.Fix && v.Projector == nil {
		return nil, fmt.Errorf("verifying %s: nothing can be fixed without a projector", t)
	}
	p := newPass(v, d, t, o)
	if err := p.run(ctx); err != nil {
		return nil, fmt.Errorf("verifying %s: %w", t, err)
	}
	return p.findings, nil
}

// Table verifies all of a table, totals included, in this process.
func (v *Verifier) Table(ctx context.Context, d model.Projection, t projection.Table, o Options) (Report, error) {
	report, missing, err := v.whole(ctx, d, t, o)
	if err == nil {
		err = v.lost(ctx, d, t, o, missing, &report)
	}
	return report, err
}

// whole compares rows and totals. Rows that are missing are left, and answered.
func (v *Verifier) whole(ctx context.Context, d model.Projection, t projection.Table, o Options) (Report, []Problem, error) {
	o.Part, o.keepMissing = eventstore.All, true
	before, err := v.Tables.Totals(ctx, t)
	if err != nil {
		return Report{}, nil, fmt.Errorf("verifying %s: %w", t, err)
	}
	found, err := v.Rows(ctx, d, t, o)
	if err != nil {
		return Report{}, nil, err
	}
	after, err := v.Tables.Totals(ctx, t)
	if err != nil {
		return Report{}, nil, fmt.Errorf("verifying %s: %w", t, err)
	}
	report := Conclude([]*Findings{found}, before, after)
	return report, found.missing, v.Settle(ctx, d, t, &report)
}
