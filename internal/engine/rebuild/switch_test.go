package rebuild_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

func TestAPersonDecidesAboutTheSwitch(t *testing.T) {
	t.Parallel()
	for _, yes := range []bool{true, false} {
		w := serving(t, 5)
		r := request()
		r.Approve = true
		d := w.driver()
		d.Approve = func(_ context.Context, run rebuild.Run) (rebuild.Decision, error) {
			if !run.Verify.Sound || w.states()[2] != projection.Building {
				t.Errorf("asked at the wrong time: %+v", run)
			}
			return rebuild.Decision{Approved: yes, Reason: "lunch first"}, nil
		}
		_, err := d.Run(t.Context(), "r1", r)
		if yes {
			w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
		} else {
			w.wantStates(map[int]projection.State{1: projection.Active})
		}
		if yes != (err == nil) || !yes && !strings.Contains(err.Error(), "lunch first") {
			t.Errorf("approved %v: %v", yes, err)
		}
	}
}

func TestRollbackLosesNothing(t *testing.T) {
	t.Parallel()
	w := rebuilt(t, 20)
	w.lives("b", 20)
	w.MustProject()
	to, err := w.engine.Rollback(t.Context(), orders)
	if err != nil || to != 1 {
		t.Fatal(to, err)
	}
	w.lives("c", 20)
	w.MustProject()
	w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Previous})
	w.wantFolded(version(1))
	w.wantFolded(version(2))
	if to, err := w.engine.Rollback(t.Context(), orders); err != nil || to != 2 {
		t.Errorf("forward again: %d %v", to, err)
	}
	dropped, err := w.engine.CleanupAll(t.Context(), orders)
	if err != nil || len(dropped) != 1 || dropped[0] != 1 {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	if _, err := w.engine.Rollback(t.Context(), orders); !errors.Is(err, rebuild.ErrRefused) {
		t.Errorf("rolled back to nothing: %v", err)
	}
}

// Somebody rolls back while a run waits for its approval: what readers saw until the switch is
// what they can be brought back to, and not the version that was given up.
func TestARollbackDuringARunIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := rebuilt(t, 4)
	d := w.driver()
	d.Approve = func(ctx context.Context, run rebuild.Run) (rebuild.Decision, error) {
		if run.FromVersion != 2 {
			t.Errorf("compared with version %d", run.FromVersion)
		}
		_, err := w.engine.Rollback(ctx, orders)
		return rebuild.Decision{Approved: true}, err
	}
	r := request()
	r.Approve = true
	run, err := d.Run(t.Context(), "r2", r)
	if err != nil || run.Replaced != 1 || !slices.Equal(run.Dropped, []int{2}) {
		t.Errorf("replaced %d, dropped %v: %v", run.Replaced, run.Dropped, err)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 3: projection.Active})
	if to, err := w.engine.Rollback(t.Context(), orders); err != nil || to != 1 {
		t.Errorf("rolled back to %d: %v", to, err)
	}
}
