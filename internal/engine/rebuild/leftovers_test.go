package rebuild_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
)

// What a run that is not going on any more has left is taken away by one that makes a version,
// and by no other.
func TestOnlyARunThatMakesAVersionTakesLeftoversAway(t *testing.T) {
	t.Parallel()
	building, scratch := projection.Building, projection.Scratch
	for name, c := range map[string]struct {
		ask     func(*rebuild.Request)
		states  map[int]projection.State
		dropped []int
	}{
		"a rebuild":     {func(*rebuild.Request) {}, map[int]projection.State{1: projection.Active, 3: scratch, 4: building}, nil},
		"a past moment": {func(r *rebuild.Request) { r.UntilNumber = 3 }, map[int]projection.State{1: projection.Active, 4: scratch}, []int{3}},
		"a dry run":     {func(r *rebuild.Request) { r.DryRun = true }, map[int]projection.State{1: projection.Active, 2: building, 3: scratch}, nil},
		"a heal":        {func(r *rebuild.Request) { r.Streams = []string{"order-a001"} }, map[int]projection.State{1: projection.Active, 2: building, 3: scratch}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serving(t, 4)
			p := w.Pointer(orders)
			p.Versions = append(p.Versions, projection.Version{Number: 2, Revision: 1, State: building, RunID: "r-left"}, projection.Version{Number: 3, Revision: 1, State: scratch, RunID: "r-scratch"})
			p.Next = 4
			if err := w.Control.SetPointer(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			for _, v := range p.Versions {
				if err := w.Tables.Create(t.Context(), p.Table(v)); err != nil {
					t.Fatal(err)
				}
			}
			r := request()
			c.ask(&r)
			run, err := w.engine.Prepare(t.Context(), "r1", r)
			if err != nil || !slices.Equal(run.Dropped, c.dropped) {
				t.Errorf("dropped %v, %v; want %v", run.Dropped, err, c.dropped)
			}
			w.wantStates(c.states)
			for number := 1; number <= 4; number++ {
				_, err := w.Tables.Totals(t.Context(), version(number))
				if _, listed := c.states[number]; listed != (err == nil) {
					t.Errorf("version %d is listed: %t, its table: %v", number, listed, err)
				}
			}
			w.alive["r-left"], w.alive["r-scratch"], w.alive["r1"] = true, true, true
			_, err = w.engine.Prepare(t.Context(), "r2", r)
			makes := run.Mode == rebuild.ModeRebuild || run.Mode == rebuild.ModeScratch
			if makes != errors.Is(err, rebuild.ErrRefused) {
				t.Errorf("while other runs are going on: %v", err)
			}
		})
	}
}

func TestARunThatWasAbandonedDoesNotJoinOrSwitch(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	w.engine.Settings.PointerTTL, w.engine.Settings.ProjectorTimeout = 1200*time.Millisecond, 900*time.Millisecond
	run := w.planned("r1")
	joined := w.must(w.engine.Join(t.Context(), run))
	if joined.Waits.Join != 3 || w.engine.JoinWait() != 2100*time.Millisecond {
		t.Errorf("it waits for %d s, exactly %s; want 3 and 2.1 s", joined.Waits.Join, w.engine.JoinWait())
	}
	changes := w.Pointer(orders).Changes
	if w.must(w.engine.Join(t.Context(), run)); w.Pointer(orders).Changes != changes {
		t.Error("joining again changes the pointer")
	}
	w.must(w.engine.Abandon(t.Context(), joined, "no more"))
	joined.Verify = &rebuild.Verified{Sound: true}
	for step, err := range map[string]error{
		"Join":   func() error { _, err := w.engine.Join(t.Context(), joined); return err }(),
		"Switch": func() error { _, err := w.engine.Switch(t.Context(), joined); return err }(),
	} {
		if !errors.Is(err, rebuild.ErrFailed) || !strings.Contains(err.Error(), "was abandoned") {
			t.Errorf("%s of an abandoned run: %v", step, err)
		}
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
}

// asked is a request with some of the fields that say what kind of run it is.
func asked(fields []string) (r rebuild.Request) {
	r.Projection = orders
	soak := rebuild.Seconds(time.Minute)
	for _, f := range fields {
		switch f {
		case "streams":
			r.Streams = []string{"order-o1"}
		case "fromEventNumber":
			r.FromEventNumber = 1
		case "untilNumber":
			r.UntilNumber = 1
		case "until":
			r.Until = event.InstantOf(time.UnixMilli(1))
		case "dryRun":
			r.DryRun = true
		case "approve":
			r.Approve = true
		case "soak":
			r.Soak = &soak
		}
	}
	return r
}

// TestFieldsThatExcludeOneAnotherAreRefused takes each pair.
func TestFieldsThatExcludeOneAnotherAreRefused(t *testing.T) {
	t.Parallel()
	all := []string{"streams", "fromEventNumber", "untilNumber", "until", "dryRun", "approve", "soak"}
	together := map[string]bool{"untilNumber dryRun": true, "until dryRun": true, "dryRun approve": true, "dryRun soak": true, "approve soak": true}
	for i, a := range all {
		if r := asked(all[i : i+1]); r.Check() != nil {
			t.Errorf("%s alone: %v", a, r.Check())
		}
		for _, b := range all[i+1:] {
			r := asked([]string{a, b})
			if err := r.Check(); (err == nil) != together[a+" "+b] || err != nil && !errors.Is(err, rebuild.ErrBadRequest) {
				t.Errorf("%s with %s: %v", a, b, err)
			}
		}
	}
}

func TestTheBoundsOfARequestBelongToIt(t *testing.T) {
	t.Parallel()
	soak := func(d time.Duration) func(*rebuild.Request) {
		return func(r *rebuild.Request) { r.Soak = (*rebuild.Seconds)(&d) }
	}
	streams := func(n, size int) func(*rebuild.Request) {
		return func(r *rebuild.Request) { r.Streams = slices.Repeat([]string{strings.Repeat("x", size)}, n) }
	}
	for i, c := range []struct {
		ask func(*rebuild.Request)
		ok  bool
	}{
		{streams(1000, 1), true}, {streams(1001, 1), false}, {streams(1, event.MaxStreamBytes), true}, {streams(1, event.MaxStreamBytes+1), false}, {streams(1, 0), false},
		{func(r *rebuild.Request) { r.MaxConcurrency = 1000 }, true}, {func(r *rebuild.Request) { r.MaxConcurrency = 1001 }, false}, {func(r *rebuild.Request) { r.MaxConcurrency = -1 }, false},
		{func(r *rebuild.Request) { r.AllowParked = 0 }, true}, {func(r *rebuild.Request) { r.AllowParked = -1 }, false},
		{func(r *rebuild.Request) { r.Sample = 1 }, true}, {func(r *rebuild.Request) { r.Sample = 1.001 }, false}, {func(r *rebuild.Request) { r.Sample = -0.001 }, false},
		{soak(0), true}, {soak(-1), false}, {soak(14 * 24 * time.Hour), true}, {soak(14*24*time.Hour + 1), false},
	} {
		r := request()
		c.ask(&r)
		if err := r.Check(); (err == nil) != c.ok {
			t.Errorf("request %d: %v, want it taken: %t", i, err, c.ok)
		}
	}
	for d, whole := range map[time.Duration]int64{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, time.Minute: 60} {
		if raw, err := json.Marshal(rebuild.Seconds(d)); err != nil || string(raw) != fmt.Sprint(whole) {
			t.Errorf("%s is %s, %v; want %d", d, raw, err, whole)
		}
	}
}
