package rebuild_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
)

func TestAScratchVersionShowsAPastMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Place("a")
	w.Pay("a")
	w.Place("b")
	moment := event.InstantOf(w.Now())
	w.Pay("b")
	w.MustProject()
	r := request()
	r.Until = moment
	run := w.mustRun("r1", r)
	w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Scratch})
	rows := w.Rows(version(2))
	if !strings.Contains(rows["order-a"], "PAID") || !strings.Contains(rows["order-b"], "ORDERED") || run.ToVersion != 2 {
		t.Errorf("%v", rows)
	}
	w.lives("c", 3)
	w.MustProject()
	if got := len(w.Rows(version(2))); got != 2 {
		t.Errorf("%d rows: live delivery writes a scratch version", got)
	}
	if dropped, err := w.engine.CleanupAll(t.Context(), orders); err != nil || len(dropped) != 1 {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	r = request()
	r.UntilNumber = 1
	w.mustRun("r2", r)
	if got := len(w.Rows(version(3))); got != 1 {
		t.Errorf("%d rows up to the first event", got)
	}
}

func TestADryRunWritesNothingAndFindsPoison(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.Place("a001")
	w.MustProject()
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
	w := rebuilt(t, 10)
	w.breakRow("order-a002")
	r := request()
	r.Streams = []string{"order-a002"}
	run := w.mustRun("r2", r)
	if run.Heal.Streams != 1 || len(run.Heal.Versions) != 2 {
		t.Errorf("%+v", run.Heal)
	}
	w.wantFolded(v1)
	w.breakRow("order-a004")
	r = request()
	r.FromEventNumber = 3
	w.mustRun("r3", r)
	w.wantFolded(v1)
	r.FromEventNumber = 1000
	if _, err := w.driver().Run(t.Context(), "r4", r); !errors.Is(err, rebuild.ErrRefused) {
		t.Errorf("%v", err)
	}
}

// What a removed row had added to totals is still there: a repair in place would add it once more.
// Rows that live delivery has not brought in are in no total.
func TestARepairInPlaceCountsNoRowTwice(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(r *rebuild.Request, stream string){
		"from an event number": func(r *rebuild.Request, _ string) { r.FromEventNumber = 1 },
		"by streams":           func(r *rebuild.Request, stream string) { r.Streams = []string{"order-a001", stream} },
	} {
		for removed, missing := range map[bool]int{true: 1, false: 0} {
			t.Run(fmt.Sprintf("%s, removed %t", name, removed), func(t *testing.T) {
				t.Parallel()
				w := serving(t, 10)
				before := w.Totals(v1)
				stream := "order-b000"
				if removed {
					stream = "order-a002"
					w.remove(stream)
				} else {
					w.lives("b", 1)
				}
				r := request()
				ask(&r, stream)
				run := w.mustRun("r1", r)
				if run.Heal.Missing != missing {
					t.Errorf("%+v", run.Heal)
				}
				if removed {
					if diff := cmp.Diff(before, w.Totals(v1)); diff != "" {
						t.Errorf("totals (-before +after):\n%s", diff)
					}
					w.mustRun("r2", request())
					w.wantFolded(version(2))
					return
				}
				w.wantFolded(v1)
			})
		}
	}
}

// Live delivery cannot know from one stream that totals count it still. The verification sees that
// they are wrong, and a rebuild has them right.
func TestALateEventOfARemovedRowIsMendedByARebuild(t *testing.T) {
	t.Parallel()
	w := serving(t, 10)
	w.remove("order-a003")
	w.Pay("a003")
	w.MustProject()
	r := w.verified(v1)
	if r.Found() != 0 || len(r.Totals) == 0 {
		t.Errorf("%+v", r)
	}
	w.mustRun("r1", request())
	if r := w.verified(version(2)); !r.Sound() {
		t.Errorf("after the rebuild: %+v", r)
	}
	w.wantFolded(version(2))
}
