package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/model"
)

func TestARebuildSwitchesToWhatTheEventsSay(t *testing.T) {
	t.Parallel()
	w := serving(t, 120)
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

// Writers append and a projector delivers all the while. It catches a rebuild that loses what
// comes in between: no catch-up, Join before Plan, no healing of what fell between log and Join.
func TestNothingIsLostThatHappensDuringARebuild(t *testing.T) {
	t.Parallel()
	w := serving(t, 100)
	ctx, stop := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	for writer := range 2 {
		traffic.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				order := fmt.Sprintf("t%d-%04d", writer, i)
				w.Place(order)
				w.Pay(order)
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	traffic.Go(func() {
		p := w.Projector()
		for ctx.Err() == nil {
			if err := w.Project(context.WithoutCancel(ctx), p); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 3 {
		w.mustRun(fmt.Sprint("r", i), request())
	}
	stop()
	traffic.Wait()
	w.MustProject()
	w.wantStates(map[int]projection.State{3: projection.Previous, 4: projection.Active})
	w.wantFolded(version(3))
	w.wantFolded(version(4))
}

func TestAPoisonEventStopsARunUnlessItIsAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.Place("a003")
	w.MustProject()
	_, err := w.driver().Run(t.Context(), "r1", request())
	if !errors.Is(err, rebuild.ErrFailed) || !strings.Contains(err.Error(), "order-a003") || !strings.Contains(err.Error(), "placed before") {
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

// A replay cannot take back the event after which a row adds too much to totals, so it leaves the stream to
// catch-up.
func TestARebuildParksRowsThatTotalsHaveNoRoomForAsLiveDeliveryDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 3)
	for id, total := range map[string]int64{"large": model.MaxAmount, "larger": model.MaxAmount + 1, "less": -model.MaxAmount - 1, "least": math.MinInt64} {
		w.Append(id, order.Placed{OrderID: id, Total: total})
		w.Pay(id)
		w.Append(id, order.PreparationStarted{OrderID: id})
	}
	w.MustProject()
	live := w.Rows(v1)
	for id, parked := range map[string]bool{"large": false, "larger": true, "less": true, "least": true} {
		if row := live["order-"+id]; strings.Contains(row, " parked at 2") != parked || strings.HasPrefix(row, "v1 ") != parked {
			t.Errorf("%s: %s", id, row)
		}
	}
	r := request()
	r.AllowParked = 3
	if run := w.mustRun("r1", r); run.Replay.Gaps != 3 || run.CatchUp.Healed != 3 || run.Verify.Different != 0 || run.Verify.Healed != 0 {
		t.Errorf("%+v, %+v, %+v", run.Replay, run.CatchUp, run.Verify)
	}
	w.wantFolded(version(2))
	if diff := cmp.Diff(live, w.Rows(version(2))); diff != "" {
		t.Errorf("rows of the live version and the new one (-live +new):\n%s", diff)
	}
}

func TestSmallPartsMakeTheSameTable(t *testing.T) {
	t.Parallel()
	w := serving(t, 200)
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
	if _, err := w.driver().Run(t.Context(), "r1", request()); !errors.Is(err, rebuild.ErrFailed) || !strings.Contains(err.Error(), "plan smaller parts") {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
}

// The log may hold versions out of order, and lack some at the watermark.
func TestGapsAtTheWatermarkAreHealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Place("a")
	w.Pay("a")
	w.lives("b", 10)
	w.engine.Archive = nil // the log below is all there is
	w.archiveWithout(t, "order-a", 1)
	run := w.mustRun("r1", request())
	if run.Replay.Gaps != 1 || run.CatchUp.Healed != 1 {
		t.Errorf("%+v %+v", run.Replay, run.CatchUp)
	}
	w.wantFolded(version(2))
}
