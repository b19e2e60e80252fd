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

func TestOnlyADriverThatIsNotAloneWaitsForOthersToLearnOfTheVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		alone func() bool
		waits bool
	}{
		"nobody knows": {nil, true},
		"not alone":    {func() bool { return false }, true},
		"alone":        {func() bool { return true }, false},
	} {
		w := serving(t, 4)
		var waited []time.Duration
		w.engine.Sleep = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
		w.engine.Settings.PointerTTL = time.Hour
		d := w.driver()
		d.Alone = test.alone
		if _, err := d.Run(t.Context(), "r1", request()); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(waited, w.engine.JoinWait()) != test.waits {
			t.Errorf("%s: waited %v", name, waited)
		}
	}
}

func TestADriverSaysThatItSoaks(t *testing.T) {
	t.Parallel()
	for _, soak := range []*rebuild.Seconds{nil, new(rebuild.Seconds)} {
		w := serving(t, 4)
		w.engine.Settings.PointerTTL = 0
		d, r, said := w.driver(), request(), 0
		r.Soak = soak
		d.Soaking = func() { said++ }
		if _, err := d.Run(t.Context(), "r1", r); err != nil || (said == 1) != (soak != nil) {
			t.Errorf("soak %v: said %d times, %v", soak, said, err)
		}
	}
}

func TestARunWhoseStateCannotBeReadIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	w, _ := soaking(t)
	e, _ := w.flaky(0)
	if _, err := (&rebuild.Driver{Engine: e, Workers: 1}).Resume(t.Context(), orders, "r1"); !errors.Is(err, errFlaky) {
		t.Errorf("got %v", err)
	}
	if err := w.Blobs.Put(t.Context(), "runs/orders/r1/run.json", []byte(`{"projection":`)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.driver().Resume(t.Context(), orders, "r1"); err == nil || !strings.Contains(err.Error(), "runs/orders/r1/run.json is damaged") {
		t.Errorf("damaged: got %v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
}

func TestCatchingUpFailsWithEachCallItNeeds(t *testing.T) {
	t.Parallel()
	var joined rebuild.Run
	eachCall(t, func(t *testing.T) *world {
		w := newWorld(t)
		w.lives("a", 4)
		run := w.planned("r1")
		for _, item := range w.items(run) {
			if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
				t.Fatal(err)
			}
		}
		joined = w.must(w.engine.Join(t.Context(), w.must(w.engine.Collect(t.Context(), run))))
		w.lives("b", 4)
		return w
	}, func(w *world, e *rebuild.Engine) error {
		_, err := e.CatchUp(w.TB.Context(), joined)
		return err
	})
}

func TestTasksOfTheStateMachineFailByTheNameItTriesAgainBy(t *testing.T) {
	t.Parallel()
	for _, step := range []rebuild.Step{"Plan", "ReplayPart", "VerifyPart", "Approve", "Abandon", "Switch"} {
		w := serving(t, 4)
		run := w.planned("r1")
		run.Verify = &rebuild.Verified{Sound: true}
		run.CatchUp = &rebuild.CaughtUp{}
		e, _ := w.flaky(0)
		answer, err := e.Do(t.Context(), rebuild.Task{Step: step, Run: &run, Item: &w.items(run)[0], Part: &rebuild.VerifyItem{Count: 1}})
		var unavailable rebuild.Unavailable
		if answer != nil || !errors.As(err, &unavailable) || !errors.Is(err, errFlaky) {
			t.Errorf("%s: %v, %v", step, answer, err)
		}
	}
}

// twice takes the rows of a part again, as a store does whose first transaction was lost.
type twice struct{ rebuild.Tables }

func (s twice) PutPart(ctx context.Context, table projection.Table, p projection.BulkPart) (int, error) {
	for range p.Rows {
	}
	return s.Tables.PutPart(ctx, table, p)
}

func TestARunSaysHowMuchItReadAndWroteAndHowLongStepsTook(t *testing.T) {
	t.Parallel()
	w := serving(t, 20)
	run := w.mustRun("r1", request())
	w.engine.Tables = twice{w.Tables}
	again := w.mustRun("r2", request())
	if run.Replay.RowBytes == 0 || again.Replay.RowBytes != run.Replay.RowBytes {
		t.Errorf("%d bytes of rows, and %d when they are taken twice", run.Replay.RowBytes, again.Replay.RowBytes)
	}
	manifests, err := w.Ledger.Manifests(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var bytes int64
	for _, m := range manifests {
		bytes += m.Bytes
	}
	if run.Plan.Bytes != bytes || run.Replay.LargestPart == 0 {
		t.Errorf("planned %d bytes of %d, the largest part took %d", run.Plan.Bytes, bytes, run.Replay.LargestPart)
	}
	for _, step := range []rebuild.Step{"Prepare", "Plan", "Replay", "Collect", "Join", "CatchUp", "Verify", "Switch"} {
		if _, ok := (*run.Took)[step]; !ok {
			t.Errorf("it does not say how long %s took: %v", step, *run.Took)
		}
	}
}

func TestThePartOfAStateMachineKeepsLongListsToItself(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	w.Place("a000")
	run := w.planned("r1")
	parked := 0
	for _, item := range w.items(run) {
		result, err := w.engine.ReplayPart(t.Context(), run, item)
		if err != nil {
			t.Fatal(err)
		}
		if parked += result.Parked; len(result.ParkedStreams)+len(result.GapStreams) > 0 {
			t.Errorf("%+v", result)
		}
	}
	if parked != 1 {
		t.Errorf("%d streams are parked", parked)
	}
}
