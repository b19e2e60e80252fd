package rebuild_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

// soaking is a world with a run that was stopped in a soak of an hour, ten minutes after its
// switch.
func soaking(t *testing.T) (*world, rebuild.Request) {
	t.Helper()
	w := serving(t, 4)
	r, soak := request(), rebuild.Seconds(time.Hour)
	r.Soak = &soak
	stopped := errors.New("stopped")
	left := 10 * time.Minute
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		w.Wait(d)
		if left -= d; left < 0 {
			return stopped
		}
		return nil
	}
	var cut *rebuild.CutInSoak
	if _, err := w.driver().Run(t.Context(), "r1", r); !errors.As(err, &cut) || !errors.Is(err, stopped) || cut.Run.ToVersion != 2 {
		t.Fatalf("got %v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
	return w, r
}

func (w *world) underWay() []rebuild.UnderWay {
	w.TB.Helper()
	runs, err := w.engine.RunsOf(context.Background(), w.Pointer(orders))
	if err != nil {
		w.TB.Fatal(err)
	}
	return runs
}

func TestARunThatSoaksIsUnderWay(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	runs := w.underWay()
	if len(runs) != 1 || runs[0].ID != "r1" || runs[0].Stage != "Soak" || runs[0].AtWork {
		t.Fatalf("under way: %+v", runs)
	}
	if soak := runs[0].SoakUntil.Time().Sub(runs[0].SwitchedAt.Time()); soak != time.Hour {
		t.Errorf("it soaks for %s", soak)
	}
	w.alive["r1"] = true
	if runs = w.underWay(); len(runs) != 1 || !runs[0].AtWork {
		t.Errorf("under way: %+v", runs)
	}
	if history, err := w.engine.History(t.Context(), orders, 9); err != nil || history[0].Ended || history[0].Stage != "Soak" || history[0].SoakUntil == 0 {
		t.Errorf("history %+v, %v", history, err)
	}
	_, err := w.engine.Question(t.Context(), orders, runs)
	if !errors.Is(err, rebuild.ErrNoRun) || !strings.Contains(err.Error(), "has switched readers already") {
		t.Errorf("asked for approval: %v", err)
	}
}

// Who goes on with it waits for the rest of the hour only.
func TestASoakThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	var waited time.Duration
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		waited += d
		w.Wait(d)
		return nil
	}
	if _, err := w.driver().Resume(t.Context(), orders, "r1"); err != nil {
		t.Fatal(err)
	}
	w.wantStates(map[int]projection.State{2: projection.Active})
	if waited < 49*time.Minute || waited > 50*time.Minute {
		t.Errorf("waited %s, want what was left of the hour", waited)
	}
	if runs := w.underWay(); len(runs) > 0 {
		t.Errorf("still under way: %+v", runs)
	}
	if history, err := w.engine.History(t.Context(), orders, 9); err != nil || !history[0].Ended {
		t.Errorf("history %+v, %v", history, err)
	}
}

// An operator's cleanup drops the old version, and the run has nothing more to wait for.
func TestACleanupEndsASoak(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	cleaned := false
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		w.Wait(d)
		if !cleaned {
			cleaned = true
			_, err := w.engine.CleanupAll(t.Context(), orders)
			return err
		}
		if d > w.engine.Settings.PointerTTL*2 {
			t.Errorf("it went on waiting for %s", d)
		}
		return nil
	}
	if run, err := w.driver().Resume(t.Context(), orders, "r1"); err != nil || run.Step != "Cleanup" || len(run.Dropped) > 0 {
		t.Errorf("%+v, %v", run, err)
	}
	w.wantStates(map[int]projection.State{2: projection.Active})
}

// What nobody went on with is over once the old version is gone, or the run was abandoned.
func TestASoakThatWasCutOffIsOverAfterACleanup(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world) error{
		"cleaned up": func(w *world) error {
			_, err := w.engine.CleanupAll(w.TB.Context(), orders)
			return err
		},
		"abandoned": func(w *world) error {
			runs, err := w.engine.AbandonAll(w.TB.Context(), w.underWay(), "no more")
			if len(runs) != 1 || len(runs[0].Dropped) > 0 {
				w.TB.Errorf("abandoned %+v", runs)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := soaking(t)
			w.engine.Sleep = func(_ context.Context, d time.Duration) error {
				w.Wait(d)
				return nil
			}
			if err := end(w); err != nil {
				t.Fatal(err)
			}
			if runs := w.underWay(); len(runs) > 0 {
				t.Errorf("still under way: %+v", runs)
			}
			if history, err := w.engine.History(t.Context(), orders, 9); err != nil || !history[0].Ended {
				t.Errorf("history %+v, %v", history, err)
			}
			if active, _ := w.Pointer(orders).ActiveVersion(); active.Number != 2 {
				t.Errorf("readers are on version %d", active.Number)
			}
		})
	}
}

func TestWhoAsksWhatWaitsIsToldWhyNothingDoes(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	ask := func() error {
		_, err := w.engine.Question(t.Context(), orders, w.underWay())
		return err
	}
	wants := func(err, kind error, text string) {
		t.Helper()
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	wants(ask(), rebuild.ErrNoRun, "no run is going on for orders")
	r := request()
	r.Approve = true
	d := w.driver()
	w.alive["r1"] = true
	d.Approve = func(context.Context, rebuild.Run) (rebuild.Decision, error) {
		if err := ask(); err != nil {
			t.Error(err)
		}
		w.alive["r1"] = false
		wants(ask(), rebuild.ErrRefused, "was cut off in Approve")
		return rebuild.Decision{Approved: true}, nil
	}
	steps := 0
	w.engine.Progress = func(p rebuild.Progress) {
		if p.Step == "Join" {
			steps++
			wants(ask(), rebuild.ErrNotYet, "it is in Join")
		}
	}
	if _, err := d.Run(t.Context(), "r1", r); err != nil || steps != 1 {
		t.Fatal(steps, err)
	}
	w.alive["r2"] = true
	w.engine.Progress = func(p rebuild.Progress) {
		if p.Step == "Join" {
			wants(ask(), rebuild.ErrRefused, "was started without --approve")
		}
	}
	w.mustRun("r2", request())
}

func TestARunThatStoresNothingIsUnderWayWhileSomebodyWorksOnIt(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	if runs := w.underWay(); len(runs) != 1 || runs[0].AtWork || runs[0].RolledBack {
		t.Errorf("stored, and cut off: %+v", runs)
	}
	if err := w.Blobs.Delete(t.Context(), "runs/orders/r1/run.json"); err != nil { // as on AWS
		t.Fatal(err)
	}
	if runs := w.underWay(); len(runs) != 0 {
		t.Errorf("nobody works on it: %+v", runs)
	}
	w.alive["r1"] = true
	if runs := w.underWay(); len(runs) != 1 || !runs[0].AtWork || runs[0].RolledBack {
		t.Errorf("somebody works on it: %+v", runs)
	}
	if _, err := w.engine.Rollback(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
	if runs := w.underWay(); len(runs) != 1 || runs[0].ID != "r1" || !runs[0].RolledBack {
		t.Errorf("readers were taken back: %+v", runs)
	}
}
