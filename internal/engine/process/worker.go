package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Worker carries out the steps of one process. Several may run at once, in this process and others.
type Worker struct {
	Ports
	Performer Performer
	Timeout   time.Duration // of one attempt; 0: DefaultTimeout

	// Attempts is how many attempts fail before a task is stuck; 0: DefaultAttempts.
	Attempts int
	// Pause returns how long to wait after so many failed attempts; nil: GrowingPause.
	Pause func(failed int) time.Duration

	// Grace is how long a task is due before RunDue takes it, so that it does not race with a request that
	// carries it out itself.
	Grace    time.Duration
	Tick     time.Duration          // how often Run looks for what is due
	Wake     func() <-chan struct{} // closed when something may have become due; nil: only Tick
	Parallel int                    // streams at once; 0: DefaultParallel
	// Shuffle mixes the rows of a page, so that workers that read the same page get in each other's way less;
	// nil: at random.
	Shuffle func(n int, swap func(i, j int))

	turns turns
}

// How a worker behaves that is not told otherwise.
const (
	DefaultTimeout  = 20 * time.Second
	DefaultAttempts = 10
	DefaultParallel = 4
)

// maxSteps bounds the steps that are carried out for a stream in one go. No process is that long.
const maxSteps = 32

// Drive carries out what is due of one stream now, until nothing is due, a step fails, or ctx ends. It
// returns the error of the step that failed, which a worker will try again. It waits while another caller in
// this process drives the same stream.
//
// known is the stream from its first event on, as far as the caller has it; nil has it loaded. Drive returns it as
// far as the steps have brought it.
func (w *Worker) Drive(ctx context.Context, stream string, known []event.Event) ([]event.Event, error) {
	_, d, err := w.active(ctx)
	if errors.Is(err, projection.ErrNoPointer) { // it was not set up yet, and no row is needed here
		d, err = w.newest(), nil
	}
	if err != nil {
		return nil, err
	}
	if !d.Folds(stream) {
		return known, nil
	}
	release, ok := w.turns.try(stream)
	if !ok {
		known = nil // another caller is moving the stream on
		if release, err = w.turns.wait(ctx, stream); err != nil {
			return nil, err
		}
	}
	defer release()
	s, _, err := w.drive(ctx, d, stream, known, func(uint64) int { return 1 })
	return s.history, err
}

// stepFailed is the error of an attempt at a step.
type stepFailed struct {
	call  Call
	cause error
}

func (e *stepFailed) Error() string {
	return fmt.Sprintf("step %s of %s at version %d: %v", e.call.Step, e.call.Stream, e.call.Version, e.cause)
}
func (e *stepFailed) Unwrap() error { return e.cause }

// errUnrecorded is the failure of a step that had no effect on its stream.
var errUnrecorded = errors.New("the step recorded no outcome on its stream")

// drive carries out steps until one fails, which is a *stepFailed, or the event store does. It returns where
// the stream stands then, and how many steps succeeded.
func (w *Worker) drive(ctx context.Context, d model.Process, stream string, known []event.Event, attempt func(version uint64) int) (s *standing, steps int, err error) {
	if s, err = w.stand(ctx, d, stream, known); err != nil {
		return s, 0, err
	}
	for ; steps < maxSteps && s.due(event.InstantOf(w.Now())); steps++ {
		before := *s
		c := s.call(attempt(s.fold.Version))
		recorded, failure := w.step(ctx, s, c)
		if failure != nil {
			recorded = nil
		}
		if err := w.advance(ctx, s, recorded); err != nil {
			return s, steps, errors.Join(err, failure)
		}
		if s.fold.Version == before.fold.Version {
			if failure == nil {
				failure = errUnrecorded
			}
			return s, steps, &stepFailed{c, failure}
		}
		// It moved on: by this attempt, or by another's while this one failed.
		w.watchEnd(ctx, &before, s, failure)
	}
	return s, steps, nil
}

// step makes one attempt at what the stream waits for.
func (w *Worker) step(ctx context.Context, s *standing, c Call) ([]event.Event, error) {
	if !slices.Contains(s.process.Steps, c.Step) {
		return nil, fmt.Errorf("%s has no such step, only %v", c.Process, s.process.Steps)
	}
	timeout := w.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, watched := watchStep(ctx, s, c, w.Now)
	recorded, err := perform(ctx, w.Performer, c)
	watched(err)
	return recorded, err
}

// perform turns a panic of a step into its failure, so that it concerns only its own stream.
func perform(ctx context.Context, p Performer, c Call) (recorded []event.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("step %s panicked: %v", c.Step, r)
		}
	}()
	return p.Perform(ctx, c)
}
