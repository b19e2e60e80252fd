package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"gakushoku/internal/observe"
)

// step runs and logs one step of a run and records how long it took. If the step fails, it returns the run
// unchanged.
func (e *Engine) step(ctx context.Context, run Run, name Step, f func(*Run) error) (Run, error) {
	started := e.Now()
	ctx, span := observe.Start(e.context(ctx, &run), "reproject."+string(name), observe.Internal)
	defer span.Str(observe.AttrRun, run.ID).Str(observe.AttrProjection, run.name()).End()
	after := run
	err := f(&after)
	span.Failed(err)
	took := e.Now().Sub(started).Milliseconds()
	log := observe.Logger(ctx)
	message := "reproject:" + strings.ToLower(string(name[:1])) + string(name[1:])
	if err != nil {
		observe.Failed(log.Error(), float64(took), err).Msg(message)
		return run, fmt.Errorf("%s of run %s: %w", name, run.ID, err)
	}
	after.Step = name
	durations := Durations{}
	if run.Took != nil {
		maps.Copy(durations, *run.Took)
	}
	durations[name] += took
	after.Took = &durations
	log.Info().Int64(observe.FieldDurationMs, took).Str(observe.FieldResult, observe.ResultOK).Msg(message)
	return after, nil
}

// timed records the duration of a stage that is not a step by itself, such as all parts of a replay.
func (r Run) timed(stage Step, took time.Duration) Run {
	if r.Took == nil || r.Step == stage {
		return r
	}
	durations := maps.Clone(*r.Took)
	durations[stage] = took.Milliseconds()
	r.Took = &durations
	return r
}

// context returns ctx with a logger that names the run. The run id is the correlation id of the run's own
// work; log lines about an event carry that event's correlation id.
func (e *Engine) context(ctx context.Context, run *Run) context.Context {
	return observe.WithField(observe.WithField(ctx, "runId", run.ID), observe.FieldProjection, run.name())
}

// name returns the table version for log lines, or the projection while there is no version yet.
func (r *Run) name() string {
	if r.ToVersion == 0 {
		return r.Projection
	}
	return r.Table().String()
}

// put stores a value as a blob.
func (e *Engine) put(ctx context.Context, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	if err := e.Blobs.Put(ctx, key, raw); err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
}

// get reads a value that put has stored.
func (e *Engine) get(ctx context.Context, key string, into any) error {
	raw, err := e.Blobs.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s is damaged: %w", key, err)
	}
	return nil
}
