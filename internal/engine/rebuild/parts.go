package rebuild

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"gakushoku/internal/engine/eventlog"
)

// PartsOf reports which parts of a run's Replay or VerifyParts have stored their results, for following a run
// that executes elsewhere: Done equals Total for those that have. The list is empty while none is known.
func (e *Engine) PartsOf(ctx context.Context, name, runID string, step Step) ([]Progress, error) {
	run := Run{ID: runID, Projection: name}
	if step == StepVerifyParts {
		return e.verifyPartsOf(ctx, &run)
	}
	plans, err := e.keys(ctx, run.key("plan-"))
	if err != nil || len(plans) == 0 {
		return nil, err
	}
	plan := plans[len(plans)-1] // a late attempt may have left an older one
	var items []Item
	if err := e.get(ctx, plan, &items); err != nil {
		return nil, err
	}
	watermark := strings.TrimSuffix(strings.TrimPrefix(path.Base(plan), "plan-"), ".json")
	results, err := e.keys(ctx, run.key("results-"+watermark)+"/")
	if err != nil {
		return nil, err
	}
	reported := map[string]bool{}
	for _, key := range results {
		reported[strings.TrimSuffix(path.Base(key), ".json")] = true
	}
	parts := make([]Progress, len(items))
	for i, item := range items {
		parts[i] = Progress{RunID: runID, Step: step, Part: item.Part, Total: item.Events, Unit: "events"}
		if reported[item.Part] {
			parts[i].Done = item.Events
		}
	}
	return parts, nil
}

func (e *Engine) verifyPartsOf(ctx context.Context, run *Run) ([]Progress, error) {
	keys, err := e.keys(ctx, run.key("verify")+"/part-")
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	var parts []Progress
	done := map[int]bool{}
	for _, key := range keys {
		var part, count int
		if _, err := fmt.Sscanf(path.Base(key), "part-%d-of-%d.json", &part, &count); err != nil {
			return nil, fmt.Errorf("%s is not the result of a part: %w", key, err)
		}
		done[part] = true
		for len(parts) < count {
			parts = append(parts, Progress{RunID: run.ID, Step: StepVerifyParts, Part: fmt.Sprintf("v%02d", len(parts)), Total: 1, Unit: "parts"})
		}
	}
	for i := range parts {
		if done[i+1] {
			parts[i].Done = 1
		}
	}
	return parts, nil
}

// keys returns the keys of the blobs that begin with prefix.
func (e *Engine) keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for b, err := range eventlog.Objects(ctx, e.Blobs, prefix, "") {
		if errors.Is(err, eventlog.ErrNoBlob) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", prefix, err)
		}
		keys = append(keys, b.Key)
	}
	return keys, nil
}
