// Package backups makes backups by the clock, and rehearses restores from them. It notes how that went, so that
// health and alarms tell when the newest good backup is too old.
package backups

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

// How old the last success may be: a daily backup and a weekly restore, with time for one to take.
const (
	BackupBound  = 26 * time.Hour
	RestoreBound = 8 * 24 * time.Hour
)

// Schedule says when something is due: a cron expression of five fields in a time zone.
type Schedule struct{ spec *cron.SpecSchedule }

// ParseSchedule reads an expression such as "0 2 * * *".
func ParseSchedule(text string, zone *time.Location) (Schedule, error) {
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		return Schedule{}, fmt.Errorf("%q is no schedule, such as \"0 2 * * *\" for each day at 02:00: %w", text, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok || spec.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("%q is no schedule of five fields, such as \"0 2 * * *\" for each day at 02:00", text)
	}
	spec.Location = zone
	return Schedule{spec}, nil
}

// Next returns the first time after another.
func (s Schedule) Next(after time.Time) time.Time { return s.spec.Next(after) }

// Job is something that is done by the clock.
type Job struct {
	Part     string // of health; the name of its checkpoint too
	Schedule Schedule
	Bound    time.Duration // how old the last success may be
	// FailsAtOnce makes a failure as bad as a success that is too old.
	FailsAtOnce bool
	// Do does it and returns up to which event, with fields for the log line.
	Do   func(ctx context.Context) (number uint64, fields map[string]any, err error)
	Late func(ctx context.Context, m *observe.Metrics, late bool)
}

// Rounds do jobs when they are due.
type Rounds struct {
	Jobs        []Job
	Checkpoints projection.Checkpoints
	Now         func() time.Time
}

// How often a round looks whether a job is due, and when one that failed is tried again.
const (
	lookEvery  = time.Minute
	retryAfter = 10 * time.Minute
)

// Run looks at once and then each minute until ctx ends. What was due while nothing ran is done at once.
func (r *Rounds) Run(ctx context.Context) {
	tried := make([]time.Time, len(r.Jobs)) // the last failure of each
	for {
		for i := range r.Jobs {
			if r.Now().Sub(tried[i]) < retryAfter {
				continue
			}
			if err := r.Once(ctx, &r.Jobs[i]); err != nil {
				tried[i] = r.Now()
			}
		}
		if wait.For(ctx, lookEvery) != nil {
			return
		}
	}
}

// Once does a job if it is due, and notes the outcome. It also measures whether the last success is too old.
func (r *Rounds) Once(ctx context.Context, j *Job) error {
	c, err := r.Checkpoints.Checkpoint(ctx, j.Part)
	if err != nil {
		return err
	}
	if c.AppliedAt.IsZero() || !j.Schedule.Next(c.AppliedAt.Time()).After(r.Now()) {
		err = r.do(ctx, j, &c)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	late := c.AppliedAt.IsZero() || r.Now().Sub(c.AppliedAt.Time()) > j.Bound || j.FailsAtOnce && c.Cursor != ""
	j.Late(ctx, observe.MetricsOf(ctx), late)
	return err
}

func (r *Rounds) do(ctx context.Context, j *Job, c *projection.Checkpoint) error {
	began := r.Now()
	number, fields, err := j.Do(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	line := observe.Logger(ctx).Info()
	if err != nil {
		line = observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err)
		c.Cursor = err.Error()
		line.Str(observe.FieldResult, observe.ResultNG).Msg(j.Part + ":failed")
		return errors.Join(err, r.Checkpoints.SetCheckpoint(ctx, j.Part, *c))
	}
	line.Fields(fields).Uint64(observe.FieldEventNumber, number).Float64(observe.FieldDurationMs, float64(r.Now().Sub(began).Milliseconds())).
		Str(observe.FieldResult, observe.ResultOK).Msg(j.Part + ":done")
	c.Cursor, c.Events, c.AppliedAt = "", number, event.InstantOf(began)
	return r.Checkpoints.SetCheckpoint(ctx, j.Part, *c)
}

// Probes returns what health shows of the jobs.
func (r *Rounds) Probes() (probes []health.Probe) {
	for i := range r.Jobs {
		probes = append(probes, health.Kept(r.Jobs[i].Part, r.Checkpoints))
	}
	return probes
}
