// Package verify reports whether a table version matches the events. It folds every stream from the event
// store by itself, not through the rows that it checks, while commands and projectors keep running, and does
// not mistake their work in progress for errors. infra/DESIGN.md section 8, step 6, is the specification.
//
// It is correct without stopping any writer for two reasons. A row is read before its stream, so the stream
// has every event that the row reflects; and a row is compared at its own version. A row that is behind its
// stream is not wrong yet: it is checked again after the lag bound, and is stale only if it still lacks what
// the stream had at the first look.
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
	// Holding reports which of the streams have events in the log.
	Holding(ctx context.Context, streams []string) (map[string]bool, error)
	// Differing returns the streams that have an event which differs between the event store and the log, and
	// names that event.
	Differing(ctx context.Context, store eventstore.Loader, streams []string) (map[string]string, error)
}

// Verifier compares table versions with the event store. It is safe for concurrent use.
type Verifier struct {
	Tables    projection.Store
	Streams   Streams
	Log       Log                   // tells lost streams from ones that never had events; nil: no log
	Projector *projection.Projector // heals; only for Options.Fix
	LagBound  time.Duration         // a row behind its stream is checked again after this time
	Workers   int                   // concurrent pages; GOMAXPROCS if 0; 1 makes the sequence deterministic
	Now       func() time.Time
	Sleep     func(context.Context, time.Duration) error // wait.For if nil
}

// Options say what is verified and what is healed.
type Options struct {
	Part     eventstore.Part
	Fix      bool              // heal what can be healed
	Sample   float64           // share of the streams, above 0 and below 1; 0 for all
	Against  *projection.Table // an older version to compare the rows with; nil for none
	Progress func(Progress)    // called after each page, one call at a time; may be nil

	keepMissing bool // Fix leaves missing rows until the totals are known
}

// Progress is how far a verification has come.
type Progress struct {
	Rows     int64 // rows compared
	Events   int64 // events folded
	Streams  int64 // streams looked up in the table
	Waiting  int   // streams waiting for a second look
	Problems int64
}

const (
	pageSize   = 500     // rows or streams per page
	maxWaiting = 100_000 // streams waiting for a second look, which bounds memory
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

// Rows compares one part of a table with the event store: first the part's streams with the table, since only
// that finds a stream without a row, then the rows with their streams. If the stores keep names sorted and
// the part is the whole table, it reads both side by side, the rows as of one moment.
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

// Table verifies a whole table, including totals, in this process.
func (v *Verifier) Table(ctx context.Context, d model.Projection, t projection.Table, o Options) (Report, error) {
	report, missing, err := v.whole(ctx, d, t, o)
	if err == nil {
		err = v.lost(ctx, d, t, o, missing, &report)
	}
	return report, err
}

// whole compares rows and totals. It leaves missing rows alone and returns them.
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
