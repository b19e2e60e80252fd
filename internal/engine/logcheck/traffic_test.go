package logcheck_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/fault"
)

// TestEventsOnTheirWayAreWaitedFor has an archiver that is late: what it brings meanwhile is
// not missing.
func TestEventsOnTheirWayAreWaitedFor(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.place(70)
	c.place(71)
	c.log.Pause = func(context.Context, time.Duration) error {
		if c.archived < 44 {
			c.archive(2)
		}
		return nil
	}
	r := c.verify(logcheck.Options{Deep: true, Fix: true})
	wantKinds(t, "with a late archiver", r.Findings, nil)
	if r.Appended != 0 {
		t.Errorf("%d events were appended that were only late", r.Appended)
	}
}

// TestTrafficGoesOnWhileItIsVerified has a new order, and its archiver, between any two reads.
func TestTrafficGoesOnWhileItIsVerified(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.log.Workers, c.log.Held = 1, 1000
	n := 100
	busy := &busyStore{Events: c.store, before: func() {
		if n++; n < 120 {
			c.place(n)
			if n%3 == 0 {
				c.archive(6)
			}
		}
	}}
	c.log.Store = busy
	c.log.CatchUp = func(context.Context) error {
		if c.archived < 40+2*(min(n, 119)-100) {
			c.archive(100)
		}
		return nil
	}
	wantKinds(t, "under traffic", c.verify(logcheck.Options{Deep: true}).Findings, nil)
	if n == 100 {
		t.Error("there was no traffic")
	}
}

func TestAManifestThatIsOnlyLateIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.place(80)
	c.archive(2)
	key := eventlog.ManifestKey(41)
	manifest := c.get(key)
	c.remove(key)
	c.log.Pause = func(context.Context, time.Duration) error { c.put(key, manifest); return nil }
	wantKinds(t, "with a manifest on its way", c.verify(logcheck.Options{}).Findings, nil)
}

func TestWhatCannotBeReadIsNotCalledDamaged(t *testing.T) {
	t.Parallel()
	c := filled(t)
	away := fault.Unavailable(errors.New("the service does not answer"))
	for step := 1; ; step++ {
		calls := 0
		fail := func() error {
			if calls++; calls == step {
				return away
			}
			return nil
		}
		c.log.Workers = 1
		c.log.Blobs, c.log.Ledger, c.log.Store = &failingBlobs{c.blobs, fail}, &failingLedger{c.ledger, fail}, &failingStore{c.store, fail}
		r, err := c.log.Verify(t.Context(), logcheck.Options{Deep: true})
		if calls < step {
			break
		}
		if !errors.Is(err, away) || r != nil {
			t.Fatalf("call %d failed: %+v, %v", step, r, err)
		}
	}
}
