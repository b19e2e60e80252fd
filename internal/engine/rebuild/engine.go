// Package rebuild rebuilds a read model beside the live one: it folds the numbered log into
// a new table version, lets live delivery join, catches up, verifies, and switches readers,
// and nobody notices. infra/DESIGN.md section 8 is the specification. Each step is a method of
// Engine that takes the run as it is and returns it as it has become; Step Functions
// (infra/reproject.asl.json) and the embedded Driver call the same steps in the same order.
// Every step may be repeated, also while an earlier attempt at it is still going on.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// Errors of the steps, besides those that a new try may cure (fault.Infra).
var (
	// ErrRefused says that a run cannot be started as it was asked for: the text says why.
	ErrRefused = errors.New("refused")
	// ErrBadRequest says that a request, which is refused too, makes no sense at any time.
	ErrBadRequest = errors.New("the request makes no sense")
	// ErrFailed says that the run must not be switched to: the text says what was found.
	ErrFailed = errors.New("the rebuild failed")
)

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// badRequest is a refusal that is ErrBadRequest besides.
type badRequest struct{ error }

func (e badRequest) Unwrap() error        { return e.error }
func (e badRequest) Is(target error) bool { return target == ErrBadRequest }

func refusedAlways(format string, args ...any) error {
	return badRequest{refused(format, args...)}
}

func failed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFailed, fmt.Sprintf(format, args...))
}

// Log is what the engine reads of the numbered log; an *eventlog.Reader has it.
type Log interface {
	Head(ctx context.Context) (eventlog.Head, error)
	WholeHead(ctx context.Context) (eventlog.Head, error)
	Manifests(ctx context.Context, after, upTo uint64, f func(m *eventlog.Manifest) error) error
	ReadFrame(ctx context.Context, m *eventlog.Manifest, f eventlog.Frame, buf []byte) ([]byte, error)
	Events(ctx context.Context, after, upTo uint64, f func(number uint64, e *event.Event) error) error
	Holding(ctx context.Context, streams []string) (map[string]bool, error)
	Differing(ctx context.Context, store eventstore.Loader, streams []string) (map[string]string, error)
}

// Streams is what the engine reads of the event store.
type Streams interface {
	eventstore.Loader
	eventstore.Lister
}

// Tables is what the engine needs of the stores of table versions.
type Tables interface {
	projection.Store
	projection.Sink
}

// Runs tells about other runs.
type Runs interface {
	// Running reports whether the run is still going on somewhere.
	Running(ctx context.Context, runID string) (bool, error)
}

// Engine is the steps of a rebuild over the ports. It keeps nothing between calls.
type Engine struct {
	Projections model.Projections   // every revision that a table version may have
	Pointers    projection.Pointers // read and changed without a cache
	Tables      Tables
	Streams     Streams
	Log         Log
	Blobs       eventlog.Blobs // for work lists, results and reports, under runs/
	Projector   *projection.Projector
	Runs        Runs
	Settings    Settings
	Now         func() time.Time

	// Archive brings the log up to the newest event, where this process can do that; nil
	// where the archiver is elsewhere.
	Archive func(ctx context.Context) error
	// Sleep is wait.For when nil.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress hears how far a step has come; may be nil. It is called by several goroutines.
	Progress func(Progress)
}

// Settings are the times and bounds of an installation.
type Settings struct {
	PointerTTL       time.Duration // how old anybody's knowledge of the pointer may be
	ProjectorTimeout time.Duration // how long an invocation of the projector may last
	LagBound         time.Duration // by when live delivery has brought in an event, normally
	PartEvents       int64         // a partition of the log with more events is replayed as several parts
	PartBytes        int64         // how much memory the rows of one part may take
	MaxConcurrency   int           // how many parts the state machine replays at once when the request does not say
	VerifyParts      int           // into how many parts verification is divided
	Workers          int           // how many goroutines one step may use
	CatchUpBudget    time.Duration // after which CatchUp wants to be called again
}

// Progress is how far a step of a run has come: at its beginning for the whole step, then for
// each of its parts, or for the whole of a step that has none. A part of Replay first reads
// events, then writes rows, and is done when it says so of its events.
type Progress struct {
	RunID string
	Step  Step
	Part  string // of the step; "" for the whole of it
	Done  int64
	Total int64 // 0 when it is not known
	Unit  string
}

func (e *Engine) progress(p Progress) {
	if e.Progress != nil {
		e.Progress(p)
	}
}

func (e *Engine) instant() event.Instant { return event.InstantOf(e.Now()) }

// Known fails with ErrBadRequest when there is no projection of that name.
func (e *Engine) Known(name string) error {
	_, err := e.newest(name)
	return err
}

// newest is the newest revision of a projection.
func (e *Engine) newest(name string) (model.Projection, error) {
	d, err := e.Projections.Named(name)
	if err != nil {
		return d, refusedAlways("%v", err)
	}
	return d, nil
}

// definition is one revision of a projection. Where it is missing a deployment is under way as a
// rule, and this program is the older one: a new try finds the newer.
func (e *Engine) definition(name string, revision int) (model.Projection, error) {
	d, ok := e.Projections.Revision(name, revision)
	if !ok {
		return d, fault.Unavailable(fmt.Errorf("this program does not have revision %d of %s: try again with the one that was deployed last", revision, name))
	}
	return d, nil
}

// changePointer is projection.ChangePointer, after which this process reads the pointer anew.
func (e *Engine) changePointer(ctx context.Context, name string, edit func(*projection.Pointer) (bool, error)) (projection.Pointer, error) {
	changed := false
	p, err := projection.ChangePointer(ctx, e.Pointers, name, func(p *projection.Pointer) (_ bool, err error) {
		changed, err = edit(p)
		return changed, err
	})
	if err == nil && changed && e.Projector != nil {
		e.Projector.Pointers.Forget(name)
	}
	return p, err
}
