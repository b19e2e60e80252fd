// Package rebuild rebuilds a read model beside the live one, without downtime: it folds the numbered log into
// a new table version, lets live delivery join, catches up, verifies, and switches readers. infra/DESIGN.md
// section 8 is the specification. Each step is a method of Engine that takes a Run and returns its next
// state; Step Functions (infra/reproject.asl.json) and the embedded Driver call the same steps in the
// same order. Every step may be repeated, even while an earlier attempt is still running.
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

// Errors of the steps, besides retryable ones (fault.Infra).
var (
	// ErrRefused means that a run cannot be started as requested; the text says why.
	ErrRefused = errors.New("refused")
	// ErrBadRequest means that a refused request makes no sense at any time. Such an error is ErrRefused too.
	ErrBadRequest = errors.New("the request makes no sense")
	// ErrFailed means that readers must not be switched to the run's version; the text says what was found.
	ErrFailed = errors.New("the rebuild failed")
)

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// badRequest is a refusal that is also ErrBadRequest.
type badRequest struct{ error }

func (e badRequest) Unwrap() error        { return e.error }
func (e badRequest) Is(target error) bool { return target == ErrBadRequest }

func refusedAlways(format string, args ...any) error {
	return badRequest{refused(format, args...)}
}

func failed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFailed, fmt.Sprintf(format, args...))
}

// Log is the part of the numbered log that the engine reads. *eventlog.Reader implements it.
type Log interface {
	Head(ctx context.Context) (eventlog.Head, error)
	WholeHead(ctx context.Context) (eventlog.Head, error)
	Manifests(ctx context.Context, after, upTo uint64, f func(m *eventlog.Manifest) error) error
	ReadFrame(ctx context.Context, m *eventlog.Manifest, f eventlog.Frame, buf []byte) ([]byte, error)
	Events(ctx context.Context, after, upTo uint64, f func(number uint64, e *event.Event) error) error
	Holding(ctx context.Context, streams []string) (map[string]bool, error)
	Differing(ctx context.Context, store eventstore.Loader, streams []string) (map[string]string, error)
}

// Streams is the part of the event store that the engine reads.
type Streams interface {
	eventstore.Loader
	eventstore.Lister
}

// Tables stores table versions.
type Tables interface {
	projection.Store
	projection.Sink
}

// Runs knows about other runs.
type Runs interface {
	// Running reports whether the run is still being executed anywhere.
	Running(ctx context.Context, runID string) (bool, error)
}

// Engine implements the steps of a rebuild over the ports. It keeps no state between calls.
type Engine struct {
	Projections model.Projections   // every revision that a table version may have
	Pointers    projection.Pointers // uncached
	Tables      Tables
	Streams     Streams
	Log         Log
	Blobs       eventlog.Blobs // work lists, results and reports, under runs/
	Projector   *projection.Projector
	Runs        Runs
	Settings    Settings
	Now         func() time.Time

	// Archive brings the log up to the newest event. It is nil where the archiver runs in another process.
	Archive func(ctx context.Context) error
	// Sleep defaults to wait.For.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress receives the progress of each step; it may be nil. It is called from several goroutines.
	Progress func(Progress)
}

// Settings are an installation's times and limits.
type Settings struct {
	PointerTTL       time.Duration // how old a process's copy of the pointer may be
	ProjectorTimeout time.Duration // maximum duration of a projector invocation
	LagBound         time.Duration // time within which live delivery normally applies an event
	PartEvents       int64         // a log partition with more events is replayed as several parts
	PartBytes        int64         // memory limit for the rows of one part
	MaxConcurrency   int           // parts that the state machine replays concurrently by default
	VerifyParts      int           // parts that verification is divided into
	Workers          int           // goroutines per step
	CatchUpBudget    time.Duration // CatchUp returns after this time and must be called again
}

// Progress is how far a step of a run has come. It is first reported for the whole step, then for each part,
// or again for the whole step if it has no parts. A part of Replay first counts the events it reads, then the
// rows it writes; it is done when its events are reported as done.
type Progress struct {
	RunID string
	Step  Step
	Part  string // part of the step; "" for the whole step
	Done  int64
	Total int64 // 0 if unknown
	Unit  string
}

func (e *Engine) progress(p Progress) {
	if e.Progress != nil {
		e.Progress(p)
	}
}

func (e *Engine) instant() event.Instant { return event.InstantOf(e.Now()) }

// Known fails with ErrBadRequest if no projection has that name.
func (e *Engine) Known(name string) error {
	_, err := e.newest(name)
	return err
}

// newest returns the newest revision of a projection.
func (e *Engine) newest(name string) (model.Projection, error) {
	d, err := e.Projections.Named(name)
	if err != nil {
		return d, refusedAlways("%v", err)
	}
	return d, nil
}

// definition returns one revision of a projection. A missing revision usually means that a deployment is
// under way and this program is the older one, so the error is retryable: a retry reaches the newer one.
func (e *Engine) definition(name string, revision int) (model.Projection, error) {
	d, ok := e.Projections.Revision(name, revision)
	if !ok {
		return d, fault.Unavailable(fmt.Errorf("this program does not have revision %d of %s: try again with the one that was deployed last", revision, name))
	}
	return d, nil
}

// changePointer is projection.ChangePointer, and makes this process read the pointer again afterwards.
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
