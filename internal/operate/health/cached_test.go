package health

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestACachedProbeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	looks, results := make(chan struct{}), make(chan error)
	p := Cached(Probe{Name: "provider", Check: func(context.Context) (string, error) {
		looks <- struct{}{}
		return "it answers", <-results
	}, Dependency: true}, time.Minute, func() time.Time { return now })
	ask := func(want error) {
		t.Helper()
		if _, err := p.Check(t.Context()); !errors.Is(err, want) {
			t.Errorf("found %v, want %v", err, want)
		}
	}
	go func() { <-looks; results <- nil }()
	ask(nil) // the first is waited for
	now = now.Add(59 * time.Second)
	ask(nil)
	now = now.Add(time.Second)
	ask(nil) // it looks meanwhile
	<-looks
	ask(nil)
	down := errors.New("it is down")
	results <- down
	for {
		if _, err := p.Check(t.Context()); errors.Is(err, down) {
			break
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	hangs := Cached(Probe{Name: "deaf", Check: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }, Dependency: true}, time.Minute, time.Now)
	if _, err := hangs.Check(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a check that was stopped: %v", err)
	}
}

func TestTheWholeIsWellWithoutADependency(t *testing.T) {
	t.Parallel()
	outside := failingWith(Problemf("the provider is down"))
	outside.Dependency = true
	if r := check(t, well("a"), outside); r.Status != OK || r.Parts[1].Status != Failing || r.Parts[1].Detail != "the provider is down" {
		t.Errorf("%+v", r)
	}
	planned := failingWith(&Problem{Detail: "it stops", Planned: true})
	if r := check(t, planned, outside); r.Status != Failing || !r.Planned() {
		t.Errorf("%+v", r)
	}
}
