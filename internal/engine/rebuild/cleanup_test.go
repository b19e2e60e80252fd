package rebuild_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

func TestASoakTimeEndsWithTheOldVersionGone(t *testing.T) {
	t.Parallel()
	w := serving(t, 10)
	r := request()
	r.Soak = new(rebuild.Seconds)
	w.engine.Settings.PointerTTL = 0
	run := w.mustRun("r1", r)
	w.wantStates(map[int]projection.State{2: projection.Active})
	if _, err := w.Tables.Totals(t.Context(), v1); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("the old table is still there: %v", err)
	}
	if len(run.Dropped) != 1 || run.Dropped[0] != 1 {
		t.Errorf("dropped %v", run.Dropped)
	}
}

// A change of the pointer may land long after the time on it was taken, and readers begin to
// know it only then: the time on it is not to be trusted.
func TestACleanupWaitsSinceItHasSeenTheSwitch(t *testing.T) {
	t.Parallel()
	w := rebuilt(t, 4)
	w.engine.Settings.PointerTTL = time.Minute
	w.Wait(time.Hour)
	var waited time.Duration
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
		waited += d
		w.Wait(d)
		return nil
	}
	if dropped, err := w.engine.CleanupAll(t.Context(), orders); err != nil || !slices.Equal(dropped, []int{1}) {
		t.Errorf("dropped %v: %v", dropped, err)
	}
	if waited < 2*time.Minute-time.Second || waited > 2*time.Minute {
		t.Errorf("waited %s, want twice the pointer's time to live", waited)
	}
	w.wantStates(map[int]projection.State{2: projection.Active})
}

// A run has waited since its switch, so its cleanup does not do so again.
func TestARunsCleanupHasWaitedInTheSoak(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	w.engine.Settings.PointerTTL = time.Minute
	var waited time.Duration
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		waited += d
		w.Wait(d)
		return nil
	}
	r, soak := request(), rebuild.Seconds(time.Second)
	r.Soak = &soak
	w.mustRun("r1", r)
	w.wantStates(map[int]projection.State{2: projection.Active})
	if want := w.engine.JoinWait() + 2*time.Minute; waited != want {
		t.Errorf("waited %s, want %s for the join and the soak", waited, want)
	}
}

// When the version that readers were on cannot be read, the one before it is what there is to go back to.
func TestAnOlderVersionIsKeptWhenTheReplacedOneCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"at once": false, "after an attempt at the switch whose answer was lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := rebuilt(t, 4)
			if err := w.Tables.Drop(t.Context(), version(2)); err != nil {
				t.Fatal(err)
			}
			r := request()
			r.Approve = true
			d := w.driver()
			d.Approve = func(ctx context.Context, run rebuild.Run) (rebuild.Decision, error) {
				if again {
					w.must(w.engine.Switch(ctx, run))
				}
				return rebuild.Decision{Approved: true}, nil
			}
			run, err := d.Run(t.Context(), "r2", r)
			if err != nil || run.Verify.Old.Unreadable == "" || len(run.Dropped) > 0 {
				t.Fatalf("dropped %v: %v, %+v", run.Dropped, err, run.Verify)
			}
			w.wantStates(map[int]projection.State{1: projection.Previous, 3: projection.Active})
			if to, err := w.engine.Rollback(t.Context(), orders); err != nil || to != 1 {
				t.Errorf("rolled back to %d: %v", to, err)
			}
			w.wantFolded(version(1))
			w.mustRun("r3", request())
			w.wantStates(map[int]projection.State{1: projection.Previous, 4: projection.Active})
		})
	}
}

// Readers may know the version that a rollback has just replaced for as long as any other: a
// cleanup that has begun before does not take it from them.
func TestARollbackDuringACleanupIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, cleanUp := range map[string]func(*world, rebuild.Run) error{
		"by the run": func(w *world, run rebuild.Run) error {
			for range 2 { // back and forth during the soak time
				if _, err := w.engine.Rollback(w.TB.Context(), orders); err != nil {
					return err
				}
			}
			_, err := w.engine.Cleanup(w.TB.Context(), run)
			return err
		},
		"by the operator": func(w *world, _ rebuild.Run) error {
			_, err := w.engine.CleanupAll(w.TB.Context(), orders)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serving(t, 4)
			run := w.mustRun("r1", request())
			w.engine.Settings.PointerTTL = time.Hour
			waits := 0
			w.engine.Sleep = func(_ context.Context, d time.Duration) error {
				if waits++; waits == 1 {
					w.Wait(d)
					if _, err := w.engine.Rollback(t.Context(), orders); err != nil {
						t.Error(err)
					}
					return nil
				}
				w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Previous})
				w.Wait(d)
				return nil
			}
			if err := cleanUp(w, run); err != nil {
				t.Fatal(err)
			}
			switch name {
			case "by the run":
				w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Previous})
			case "by the operator":
				w.wantStates(map[int]projection.State{1: projection.Active})
				if waits != 2 {
					t.Errorf("waited %d times, want once for the switch and once for the rollback", waits)
				}
			}
		})
	}
}
