package reproject_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
)

func TestARebuildSwitchesToWhatTheEventsSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 120)
	w.mustProject()
	w.breakRow("order-a002")
	run := w.mustRun("r1", request())
	w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
	w.wantFolded(version(2))
	switch {
	case run.FromVersion != 1 || run.ToVersion != 2 || run.Plan.Events != 180 || run.Replay.Rows != 120 || run.Replay.Applied != 180:
		t.Errorf("%+v %+v %+v", run, run.Plan, run.Replay)
	case !run.Verify.Sound || run.Verify.Events != 180 || run.Verify.Healed != 0:
		t.Errorf("%+v", run.Verify)
	case run.Verify.Old.Same != 119 || run.Verify.Old.Changed != 1:
		t.Errorf("%+v", run.Verify.Old)
	}
}

// breakRow does what a bad deployment does: it writes a wrong row with wrong totals.
func (w *world) breakRow(stream string) {
	w.t.Helper()
	w.spoil(v1, stream)
}

func (w *world) spoil(table projection.Table, stream string) {
	w.t.Helper()
	records, err := w.tables.Records(w.t.Context(), table, []string{stream})
	if err != nil {
		w.t.Fatal(err)
	}
	r := records[stream]
	r.Data = []byte(strings.Replace(string(r.Data), "PAID", "ORDERED", 1))
	if late, err := w.tables.Write(w.t.Context(), table, []projection.Change{{Record: r, Expected: r.Writes}}); err != nil || len(late) > 0 {
		w.t.Fatal(late, err)
	}
}

func TestASoakTimeEndsWithTheOldVersionGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.mustProject()
	r := request()
	r.Soak = new(reproject.Seconds)
	w.engine.Settings.PointerTTL = 0
	run := w.mustRun("r1", r)
	w.wantStates(map[int]projection.State{2: projection.Active})
	if _, err := w.tables.Totals(t.Context(), v1); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("the old table is still there: %v", err)
	}
	if len(run.Dropped) != 1 || run.Dropped[0] != 1 {
		t.Errorf("dropped %v", run.Dropped)
	}
}

// Writers append and a projector delivers all the while. It catches a rebuild that loses what
// comes in between: no catch-up, Join before Plan, no healing of what fell between log and Join.
func TestNothingIsLostThatHappensDuringARebuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 100)
	w.mustProject()
	ctx, stop := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	for writer := range 2 {
		traffic.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				order := fmt.Sprintf("t%d-%04d", writer, i)
				w.place(order)
				w.pay(order)
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	traffic.Go(func() {
		p := w.projector()
		for ctx.Err() == nil {
			if err := w.project(context.WithoutCancel(ctx), p); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 3 {
		w.mustRun(fmt.Sprint("r", i), request())
	}
	stop()
	traffic.Wait()
	w.mustProject()
	w.wantStates(map[int]projection.State{3: projection.Previous, 4: projection.Active})
	w.wantFolded(version(3))
	w.wantFolded(version(4))
}

func TestRollbackLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 20)
	w.mustProject()
	w.mustRun("r1", request())
	w.lives("b", 20)
	w.mustProject()
	to, err := w.engine.Rollback(t.Context(), orders)
	if err != nil || to != 1 {
		t.Fatal(to, err)
	}
	w.lives("c", 20)
	w.mustProject()
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
	if _, err := w.engine.Rollback(t.Context(), orders); !errors.Is(err, reproject.ErrRefused) {
		t.Errorf("rolled back to nothing: %v", err)
	}
}

func TestAPoisonEventStopsARunUnlessItIsAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.poison("a003")
	w.mustProject()
	_, err := w.driver().Run(t.Context(), "r1", request())
	if !errors.Is(err, reproject.ErrFailed) || !strings.Contains(err.Error(), "order-a003") || !strings.Contains(err.Error(), "placed before") {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
	r := request()
	r.AllowParked = 1
	run := w.mustRun("r2", r)
	if run.Replay.Parked != 1 || run.Verify.Parked != 1 || len(run.Replay.ParkedSample) != 1 {
		t.Errorf("the run hides what it met: %+v %+v", run.Replay, run.Verify)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 3: projection.Active})
	w.wantFolded(version(3))
}

func TestSmallPartsMakeTheSameTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 200)
	w.mustProject()
	w.engine.Settings.PartEvents = 3
	w.engine.Settings.VerifyParts = 4
	run := w.mustRun("r1", request())
	if run.Plan.Parts < 32 || len(run.Verify.Parts) != 4 {
		t.Errorf("%d parts, %d to verify", run.Plan.Parts, len(run.Verify.Parts))
	}
	w.wantFolded(version(2))
}

func TestAPartTooLargeForItsWorkerIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 20)
	w.engine.Settings.PartBytes = 100
	if _, err := w.driver().Run(t.Context(), "r1", request()); !errors.Is(err, reproject.ErrFailed) || !strings.Contains(err.Error(), "plan smaller parts") {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
}

// The log may hold versions out of order, and lack some at the watermark.
func TestGapsAtTheWatermarkAreHealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("a")
	w.pay("a")
	w.lives("b", 10)
	w.engine.Archive = nil // the log below is all there is
	w.archiveWithout(t, "order-a", 1)
	run := w.mustRun("r1", request())
	if run.Replay.Gaps != 1 || run.CatchUp.Healed != 1 {
		t.Errorf("%+v %+v", run.Replay, run.CatchUp)
	}
	w.wantFolded(version(2))
}

func TestAScratchVersionShowsAPastMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("a")
	w.pay("a")
	w.place("b")
	moment := event.InstantOf(w.now())
	w.pay("b")
	w.mustProject()
	r := request()
	r.Until = moment
	run := w.mustRun("r1", r)
	w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Scratch})
	rows := w.rows(version(2))
	if !strings.Contains(rows["order-a"], "PAID") || !strings.Contains(rows["order-b"], "ORDERED") || run.ToVersion != 2 {
		t.Errorf("%v", rows)
	}
	w.lives("c", 3)
	w.mustProject()
	if got := len(w.rows(version(2))); got != 2 {
		t.Errorf("%d rows: live delivery writes a scratch version", got)
	}
	if dropped, err := w.engine.CleanupAll(t.Context(), orders); err != nil || len(dropped) != 1 {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	r = request()
	r.UntilNumber = 1
	w.mustRun("r2", r)
	if got := len(w.rows(version(3))); got != 1 {
		t.Errorf("%d rows up to the first event", got)
	}
}

func TestADryRunWritesNothingAndFindsPoison(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.poison("a001")
	w.mustProject()
	r := request()
	r.DryRun = true
	run := w.mustRun("r1", r)
	if run.Replay.Rows != 10 || run.Replay.Parked != 1 || run.Replay.RowBytes == 0 || run.ToVersion != 0 {
		t.Errorf("%+v", run.Replay)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
}

func TestSingleStreamsAreHealedInEveryVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.mustProject()
	w.mustRun("r1", request())
	w.breakRow("order-a002")
	r := request()
	r.Streams = []string{"order-a002", "order-unknown"}
	run := w.mustRun("r2", r)
	if run.Heal.Streams != 2 || len(run.Heal.Versions) != 2 {
		t.Errorf("%+v", run.Heal)
	}
	w.wantFolded(v1)
	w.breakRow("order-a004")
	r = request()
	r.FromEventNumber = 3
	w.mustRun("r3", r)
	w.wantFolded(v1)
	r.FromEventNumber = 1000
	if _, err := w.driver().Run(t.Context(), "r4", r); !errors.Is(err, reproject.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestAPersonDecidesAboutTheSwitch(t *testing.T) {
	t.Parallel()
	for _, yes := range []bool{true, false} {
		w := newWorld(t)
		w.lives("a", 5)
		w.mustProject()
		r := request()
		r.Approve = true
		d := w.driver()
		d.Approve = func(_ context.Context, run reproject.Run) (reproject.Decision, error) {
			if !run.Verify.Sound || w.states()[2] != projection.Building {
				t.Errorf("asked at the wrong time: %+v", run)
			}
			return reproject.Decision{Approved: yes, Reason: "lunch first"}, nil
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

// An event that will set its stream aside, and that live delivery has not brought in yet, is
// late like any other: no row differs.
func TestAPoisonEventOnItsWayIsNoDifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 4)
	w.mustProject()
	run := w.must(w.engine.Prepare(t.Context(), "r1", reproject.Request{Projection: orders, AllowParked: 1}))
	run = w.must(w.engine.Plan(t.Context(), run))
	for _, item := range w.items(run) {
		if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Join(t.Context(), w.must(w.engine.Collect(t.Context(), run))))
	run = w.must(w.engine.CatchUp(t.Context(), run))
	w.poison("a000")
	run = w.must(w.engine.StartVerify(t.Context(), run))
	for _, part := range run.Verify.Parts {
		if _, err := w.engine.VerifyPart(t.Context(), run, part); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Verify(t.Context(), run))
	if run.Verify.Healed != 1 || run.Verify.Different != 0 || !run.Verify.Sound {
		t.Errorf("%+v", run.Verify)
	}
	w.mustProject()
	w.wantFolded(version(2))
}

// A change of the pointer may land long after the time on it was taken, and readers begin to
// know it only then: the time on it is not to be trusted.
func TestACleanupWaitsSinceItHasSeenTheSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 4)
	w.mustProject()
	w.mustRun("r1", request())
	w.engine.Settings.PointerTTL = time.Minute
	w.clock.Add(time.Hour.Milliseconds())
	var waited time.Duration
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active})
		waited += d
		w.clock.Add(d.Milliseconds())
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
	w := newWorld(t)
	w.lives("a", 4)
	w.mustProject()
	w.engine.Settings.PointerTTL = time.Minute
	var waited time.Duration
	w.engine.Sleep = func(_ context.Context, d time.Duration) error {
		waited += d
		w.clock.Add(d.Milliseconds())
		return nil
	}
	r, soak := request(), reproject.Seconds(time.Second)
	r.Soak = &soak
	w.mustRun("r1", r)
	w.wantStates(map[int]projection.State{2: projection.Active})
	if want := w.engine.JoinWait() + 2*time.Minute; waited != want {
		t.Errorf("waited %s, want %s for the join and the soak", waited, want)
	}
}

// Somebody rolls back while a run waits for its approval: what readers saw until the switch is
// what they can be brought back to, and not the version that was given up.
func TestARollbackDuringARunIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 4)
	w.mustProject()
	w.mustRun("r1", request())
	d := w.driver()
	d.Approve = func(ctx context.Context, run reproject.Run) (reproject.Decision, error) {
		if run.FromVersion != 2 {
			t.Errorf("compared with version %d", run.FromVersion)
		}
		_, err := w.engine.Rollback(ctx, orders)
		return reproject.Decision{Approved: true}, err
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

// After a rollback before the verification it is the version that readers see which the new one is
// compared with.
func TestTheNewVersionIsComparedWithTheOneThatReadersSee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 4)
	w.mustProject()
	w.mustRun("r1", request())
	run := w.planned("r2")
	if run.FromVersion != 2 {
		t.Fatalf("from %d", run.FromVersion)
	}
	if _, err := w.engine.Rollback(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
	if run = w.must(w.engine.StartVerify(t.Context(), run)); run.FromVersion != 1 {
		t.Errorf("to be compared with version %d", run.FromVersion)
	}
}

// A table that is missing, or damaged, is made anew like any other: that there is nothing to
// compare with does not stop it, and is said.
func TestAMissingTableIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(*world) reproject.Tables{
		"in order":   func(w *world) reproject.Tables { return w.tables },
		"looking up": func(w *world) reproject.Tables { return onlyTables{w.tables} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.engine.Tables = store(w)
			w.lives("a", 20)
			w.mustProject()
			if err := w.tables.Drop(t.Context(), v1); err != nil {
				t.Fatal(err)
			}
			run := w.mustRun("r1", request())
			if run.Verify.Old.Unreadable == "" || run.Verify.Old.OnlyNew != 0 || !run.Verify.Sound {
				t.Errorf("%+v", run.Verify)
			}
			w.wantStates(map[int]projection.State{2: projection.Active})
			w.lives("b", 5)
			w.mustProject()
			w.wantFolded(version(2))
		})
	}
}

// onlyTables hides what a store has besides.
type onlyTables struct{ reproject.Tables }

// Readers may know the version that a rollback has just replaced for as long as any other: a
// cleanup that has begun before does not take it from them.
func TestARollbackDuringACleanupIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, cleanUp := range map[string]func(*world, reproject.Run) error{
		"by the run": func(w *world, run reproject.Run) error {
			for range 2 { // back and forth during the soak time
				if _, err := w.engine.Rollback(w.t.Context(), orders); err != nil {
					return err
				}
			}
			_, err := w.engine.Cleanup(w.t.Context(), run)
			return err
		},
		"by the operator": func(w *world, _ reproject.Run) error {
			_, err := w.engine.CleanupAll(w.t.Context(), orders)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.lives("a", 4)
			w.mustProject()
			run := w.mustRun("r1", request())
			w.engine.Settings.PointerTTL = time.Hour
			waits := 0
			w.engine.Sleep = func(_ context.Context, d time.Duration) error {
				if waits++; waits == 1 {
					w.clock.Add(d.Milliseconds())
					if _, err := w.engine.Rollback(t.Context(), orders); err != nil {
						t.Error(err)
					}
					return nil
				}
				w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Previous})
				w.clock.Add(d.Milliseconds())
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
