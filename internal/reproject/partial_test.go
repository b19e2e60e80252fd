package reproject_test

import (
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
)

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
	w := rebuilt(t, 10)
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
