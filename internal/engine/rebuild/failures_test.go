package rebuild_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

// approving is a world with a run that waits for a person.
func approving(t *testing.T) *world {
	t.Helper()
	w := serving(t, 4)
	w.alive["r1"] = true
	d, r := w.driver(), request()
	r.Approve = true
	stop := errors.New("stop here")
	d.Approve = func(ctx context.Context, run rebuild.Run) (rebuild.Decision, error) {
		if err := w.engine.AskApproval(ctx, run, ""); err != nil {
			t.Fatal(err)
		}
		panic(stop) // as a process that dies, so that nothing is abandoned
	}
	func() {
		defer func() {
			if r := recover(); r != stop {
				panic(r)
			}
		}()
		d.Run(t.Context(), "r1", r)
	}()
	return w
}

// eachCall has each call of the ports fail in turn while something is looked up, which must then
// fail, and not say something else.
func eachCall(t *testing.T, setUp func(t *testing.T) *world, do func(w *world, e *rebuild.Engine) error) {
	t.Helper()
	for n := 0; ; n++ {
		w := setUp(t)
		e, f := w.flaky(n)
		err := do(w, e)
		if !f.fired() {
			if err != nil || n == 0 {
				t.Errorf("after %d calls, none of which failed: %v", n, err)
			}
			return
		}
		if !errors.Is(err, errFlaky) {
			t.Errorf("call %d failed, and what comes is: %v", n, err)
		}
	}
}

func TestWhatCannotBeLookedUpIsAnErrorAndNotAnotherAnswer(t *testing.T) {
	t.Parallel()
	leftover := func(t *testing.T) *world {
		w := serving(t, 4)
		w.planned("r0")
		return w
	}
	soaks := func(t *testing.T) *world { w, _ := soaking(t); return w }
	once := func(t *testing.T) *world { return rebuilt(t, 4) }
	underWay := func(w *world, e *rebuild.Engine) ([]rebuild.UnderWay, error) {
		return e.RunsOf(w.TB.Context(), w.Pointer(orders))
	}
	for name, c := range map[string]struct {
		setUp func(*testing.T) *world
		do    func(*world, *rebuild.Engine) error
	}{
		"what waits for an answer": {approving, func(w *world, e *rebuild.Engine) error {
			runs, err := underWay(w, e)
			if err == nil {
				_, err = e.Question(w.TB.Context(), orders, runs)
			}
			return err
		}},
		"an answer": {approving, func(w *world, e *rebuild.Engine) error {
			return e.Decide(w.TB.Context(), orders, "r1", rebuild.Decision{Approved: true})
		}},
		"a run that soaks":    {soaks, func(w *world, e *rebuild.Engine) error { _, err := underWay(w, e); return err }},
		"a run that was left": {leftover, func(w *world, e *rebuild.Engine) error { _, err := underWay(w, e); return err }},
		"the runs there were": {soaks, func(w *world, e *rebuild.Engine) error { _, err := e.History(w.TB.Context(), orders, 9); return err }},
		"parts of a replay": {once, func(w *world, e *rebuild.Engine) error {
			_, err := e.PartsOf(w.TB.Context(), orders, "r1", "Replay")
			return err
		}},
		"parts of a verification": {once, func(w *world, e *rebuild.Engine) error {
			_, err := e.PartsOf(w.TB.Context(), orders, "r1", "VerifyParts")
			return err
		}},
		"how far a version was brought": {once, func(w *world, e *rebuild.Engine) error {
			active, _ := w.Pointer(orders).ActiveVersion()
			_, err := e.BroughtTo(w.TB.Context(), orders, active)
			return err
		}},
		"another run's leftovers": {leftover, func(w *world, e *rebuild.Engine) error {
			_, err := e.Prepare(w.TB.Context(), "r1", request())
			return err
		}},
		"a run to go on with": {leftover, func(w *world, e *rebuild.Engine) error {
			_, err := e.Join(w.TB.Context(), rebuild.Run{ID: "r0", Projection: orders, ToVersion: 2})
			return err
		}},
		"what to roll back to": {once, func(w *world, e *rebuild.Engine) error { _, err := e.Rollback(w.TB.Context(), orders); return err }},
		"what to clean up":     {once, func(w *world, e *rebuild.Engine) error { _, err := e.CleanupAll(w.TB.Context(), orders); return err }},
		"what to abandon": {leftover, func(w *world, e *rebuild.Engine) error {
			_, err := e.Abandon(w.TB.Context(), rebuild.Run{ID: "r0", Projection: orders, ToVersion: 2}, "no more")
			return err
		}},
		"streams to heal": {once, func(w *world, e *rebuild.Engine) error {
			r := request()
			r.FromEventNumber = 1
			run, err := e.Prepare(w.TB.Context(), "r2", r)
			if err == nil {
				_, err = e.Heal(w.TB.Context(), run)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachCall(t, c.setUp, c.do)
		})
	}
}

// A call that fails once, anywhere in a rebuild, is reported, or the rebuild is right all the same.
func TestARunOfWhichOneCallFailsSaysSoOrIsRight(t *testing.T) {
	t.Parallel()
	did := func(run rebuild.Run) []int64 {
		return []int64{run.Replay.Rows, run.Replay.Applied, int64(run.Replay.Gaps), int64(run.CatchUp.Healed), run.Verify.Rows, run.Verify.Streams, run.Verify.Events, int64(len(run.Dropped))}
	}
	var want []int64
	for n := -1; ; n++ {
		w := serving(t, 6)
		w.archiveWithout(t, "order-a002", 1) // a gap at the watermark
		w.engine.Settings.PointerTTL = 0
		r := request()
		r.Soak = new(rebuild.Seconds)
		e, f := w.flaky(n)
		run, err := (&rebuild.Driver{Engine: e, Workers: 1}).Run(t.Context(), "r1", r)
		switch {
		case n < 0 && err == nil:
			want = did(run)
		case !f.fired():
			if err != nil {
				t.Errorf("without a failure: %v", err)
			}
			return
		case err == nil:
			if got := did(run); !slices.Equal(got, want) {
				t.Errorf("call %d failed, and the run says that it did %v, not %v", n, got, want)
			}
			w.wantStates(map[int]projection.State{2: projection.Active})
			w.wantFolded(version(2))
			w.wantNoTables(2)
		case !errors.Is(err, errFlaky):
			t.Errorf("call %d failed, and the run says: %v", n, err)
		default:
			active, _ := w.Pointer(orders).ActiveVersion()
			w.wantFolded(version(active.Number))
			run = w.mustRun("r2", r)
			w.wantFolded(version(run.ToVersion))
		}
		if t.Failed() {
			t.Fatalf("call %d failed in %s: %v", n, run.Step, err)
		}
	}
}

func TestARunThatIsGoneOnWithAndStoppedAgainSaysSo(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	stopped := errors.New("stopped again")
	w.engine.Sleep = func(context.Context, time.Duration) error { return stopped }
	run, err := w.driver().Resume(t.Context(), orders, "r1")
	var cut *rebuild.CutInSoak
	if !errors.Is(err, stopped) || !errors.As(err, &cut) || cut.Run.ID != "r1" {
		t.Errorf("got %+v, %v", run, err)
	}
}

func TestAnAnswerIsWaitedForUntilItComesOrCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]rebuild.Decision{"yes": {Approved: true}, "no": {Reason: "lunch first"}} {
		w := serving(t, 4)
		asked := 0
		w.engine.Sleep = func(ctx context.Context, d time.Duration) error {
			if _, err := w.engine.PendingApproval(ctx, orders, "r1"); err != nil {
				return nil // another wait
			}
			if asked++; asked < 3 {
				return nil
			}
			return w.engine.Decide(ctx, orders, "r1", answer)
		}
		r := request()
		r.Approve = true
		_, err := w.driver().Run(t.Context(), "r1", r)
		if answer.Approved != (err == nil) || err != nil && !strings.Contains(err.Error(), answer.Reason) || asked != 3 {
			t.Errorf("%s: asked %d times, then %v", name, asked, err)
		}
	}
	w := serving(t, 4)
	unreadable := errors.New("the blob is damaged")
	w.engine.Blobs = refusing{flakyBlobs{w.Blobs, &flaky{n: -1}}, "decision.json", unreadable}
	w.engine.Sleep = func(context.Context, time.Duration) error { return nil }
	r := request()
	r.Approve = true
	if _, err := w.driver().Run(t.Context(), "r1", r); !errors.Is(err, unreadable) {
		t.Errorf("an answer that cannot be read: %v", err)
	}
}

// refusing fails to read one blob.
type refusing struct {
	flakyBlobs
	name string
	err  error
}

func (r refusing) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.HasSuffix(key, r.name) {
		return nil, r.err
	}
	return r.flakyBlobs.Get(ctx, key)
}

func TestAStepOutOfItsOrderIsRefused(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	run := w.planned("r1")
	if _, err := w.engine.Heal(t.Context(), run); !errors.Is(err, rebuild.ErrFailed) {
		t.Errorf("a heal by a rebuild: %v", err)
	}
	run.Verify = &rebuild.Verified{Sound: true}
	if _, err := w.engine.Switch(t.Context(), run); !errors.Is(err, rebuild.ErrFailed) || !strings.Contains(err.Error(), "has not joined") {
		t.Errorf("a switch before the join: %v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Building})
	heal := request()
	heal.Streams = []string{"order-a001"}
	if healed := w.mustRun("r2", heal); !slices.Equal(healed.Heal.Versions, []int{1}) {
		t.Errorf("healed in the versions %v, want those that are written", healed.Heal.Versions)
	}
	after, err := w.engine.Abandon(t.Context(), run, "no more")
	if err != nil || !slices.Equal(after.Dropped, []int{2}) {
		t.Errorf("dropped %v, %v", after.Dropped, err)
	}
	if again, err := w.engine.Abandon(t.Context(), run, "no more"); err != nil || len(again.Dropped) > 0 {
		t.Errorf("abandoned again: dropped %v, %v", again.Dropped, err)
	}
}

func TestARunThatIsOverIsInNoStage(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		w.Wait(d)
		return nil
	}
	if _, err := w.engine.CleanupAll(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
	history, err := w.engine.History(t.Context(), orders, 9)
	if err != nil || len(history) != 1 || !history[0].Ended || history[0].Stage != "" || history[0].SoakUntil != 0 {
		t.Errorf("history %+v, %v", history, err)
	}
}
