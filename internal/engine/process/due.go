package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// Ran is what one call of RunDue did.
type Ran struct {
	Rows   int // that were due
	Steps  int // that succeeded
	Failed int // steps that failed
	Stuck  int // tasks that became stuck
}

const (
	pageSize = 100   // rows that are read at once
	maxRows  = 5_000 // rows of one RunDue
)

// RunDue carries out what is due in the active table version. Failed steps are put off, or marked as stuck,
// and are no error of RunDue.
func (w *Worker) RunDue(ctx context.Context) (Ran, error) {
	var ran Ran
	t, d, err := w.active(ctx)
	if err == nil {
		err = w.runTable(ctx, t, d, &ran)
	}
	switch {
	case errors.Is(err, projection.ErrNoPointer): // it was not set up yet, so it has no rows
		return ran, nil
	case errors.Is(err, projection.ErrNoTable): // it was dropped after the pointer was read
		w.Pointers.Forget(w.Name())
		return ran, nil
	}
	return ran, err
}

func (w *Worker) runTable(ctx context.Context, t projection.Table, d model.Process, ran *Ran) error {
	until := event.InstantOf(w.Now().Add(-w.Grace))
	for cursor, more := "", true; more && ran.Rows < maxRows; {
		page, next, err := w.Tables.Due(ctx, t, until, cursor, pageSize)
		if err != nil {
			return fmt.Errorf("listing what is due: %w", err)
		}
		if err := w.takePage(ctx, t, d, page, ran); err != nil {
			return err
		}
		cursor, more = next, next != ""
	}
	return w.measure(ctx, t)
}

// takePage carries out the rows of a page, several at once.
func (w *Worker) takePage(ctx context.Context, t projection.Table, d model.Process, page []projection.Record, ran *Ran) error {
	parallel, shuffle := w.Parallel, w.Shuffle
	if shuffle == nil {
		shuffle = rand.Shuffle
	}
	shuffle(len(page), func(i, j int) { page[i], page[j] = page[j], page[i] })
	if parallel == 0 {
		parallel = DefaultParallel
	}
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, row := range page {
		group.Go(func() error {
			one, err := w.take(groupCtx, t, d, row)
			mu.Lock()
			defer mu.Unlock()
			ran.Rows++
			ran.Steps += one.Steps
			ran.Failed += one.Failed
			ran.Stuck += one.Stuck
			return err
		})
	}
	return group.Wait()
}

// take carries out what is due of one row's stream. It skips a stream that another caller in this process drives.
func (w *Worker) take(ctx context.Context, t projection.Table, d model.Process, row projection.Record) (ran Ran, err error) {
	if ctx.Err() != nil {
		return ran, ctx.Err()
	}
	release, ok := w.turns.try(row.Stream)
	if !ok {
		return ran, nil
	}
	defer release()
	_, steps, err := w.drive(ctx, d, row.Stream, nil, func(version uint64) int {
		if version == row.Version {
			return row.Task.Attempts + 1
		}
		return 1
	})
	ran.Steps = steps
	var failed *stepFailed
	switch {
	case ctx.Err() != nil: // it was stopped, which says nothing about the step
		return ran, ctx.Err()
	case !errors.As(err, &failed):
		return ran, err
	}
	ran.Failed, err = 1, nil
	if failed.call.Version == row.Version && failed.call.Step == row.Task.Step {
		ran.Stuck, err = w.putOff(ctx, t, row, failed.cause)
	}
	return ran, err
}

// putOff records a failed attempt at a row's task, which becomes stuck if that was the last one. The step of
// a row that has moved on meanwhile counts its own attempts.
func (w *Worker) putOff(ctx context.Context, t projection.Table, row projection.Record, failure error) (stuck int, err error) {
	tried := w.after(row.Task.Tried, failure)
	set, err := w.Tables.SetTried(ctx, t, row, tried)
	if err != nil {
		return 0, fmt.Errorf("recording an attempt at %s: %w", row.Stream, err)
	}
	if set && !tried.Stuck.IsZero() {
		logStuck(ctx, w.Name(), row, tried)
		observe.MetricsOf(ctx).ProcessRun(ctx, w.Name(), observe.RunStuck)
		return 1, nil
	}
	return 0, nil
}

// maxError bounds a recorded error, in bytes.
const maxError = 500

// after returns the record of an attempt that failed.
func (w *Worker) after(tried projection.Tried, failure error) projection.Tried {
	attempts, pause := w.Attempts, w.Pause
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	if pause == nil {
		pause = GrowingPause
	}
	now := w.Now()
	tried.Attempts++
	tried.Error = shorten(failure.Error())
	tried.Again = event.InstantOf(now.Add(pause(tried.Attempts)))
	if tried.Attempts >= attempts {
		tried.Stuck = event.InstantOf(now)
	}
	return tried
}

// The pauses between attempts.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// GrowingPause doubles with each attempt, from a second up to five minutes, and is shortened by up to a half
// at random, so that tasks that failed together do not come back together.
func GrowingPause(failed int) time.Duration {
	limit := min(firstPause<<min(max(failed-1, 0), 20), longestPause)
	return limit - rand.N(limit/2)
}
