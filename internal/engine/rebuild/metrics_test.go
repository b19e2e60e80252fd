package rebuild_test

import (
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
)

// What is measured of a rebuild is what it has to do, what it has done of it, and what came of it.
func TestARebuildIsMeasured(t *testing.T) {
	t.Parallel()
	w := serving(t, 120)
	metrics, text := observetest.Metrics(t)
	ctx := observe.WithMetrics(t.Context(), metrics)
	w.engine.Settings.VerifyParts = 3
	if _, err := w.driver().Run(ctx, "r1", request()); err != nil {
		t.Fatal(err)
	}
	want(t, text(),
		`gakushoku_rebuild_planned{gakushoku_projection="orders"} 180`,
		`gakushoku_rebuild_events_total{gakushoku_projection="orders",gakushoku_step="Replay"} 180`,
		`gakushoku_rebuild_events_total{gakushoku_projection="orders",gakushoku_step="Verify"} 180`,
		`gakushoku_rebuild_verified_total{gakushoku_projection="orders",gakushoku_result="OK"} 1`,
	)
	// Caught up with what came after the plan, and a row that somebody spoils before it is verified.
	run := w.must(w.engine.Plan(ctx, w.must(w.engine.Prepare(ctx, "r2", request()))))
	for _, item := range w.items(run) {
		if _, err := w.engine.ReplayPart(ctx, run, item); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Collect(ctx, run))
	w.lives("b", 10)
	run = w.must(w.engine.StartVerify(ctx, w.must(w.engine.CatchUp(ctx, w.must(w.engine.Join(ctx, run))))))
	w.spoil(run.Table(), "order-a002")
	for _, item := range run.Verify.Parts {
		if _, err := w.engine.VerifyPart(ctx, run, item); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.engine.Verify(ctx, run); !errors.Is(err, rebuild.ErrFailed) {
		t.Fatalf("a wrong row was found right: %v", err)
	}
	want(t, text(),
		`gakushoku_rebuild_events_total{gakushoku_projection="orders",gakushoku_step="Replay"} 360`,
		`gakushoku_rebuild_events_total{gakushoku_projection="orders",gakushoku_step="CatchUp"} 15`,
		`gakushoku_rebuild_verified_total{gakushoku_projection="orders",gakushoku_result="NG"} 1`,
	)
}

func TestEventsOfManyPagesAreMeasuredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 1200)
	metrics, text := observetest.Metrics(t)
	w.engine.Settings.VerifyParts = 2 // of two pages each
	if _, err := w.driver().Run(observe.WithMetrics(t.Context(), metrics), "r1", request()); err != nil {
		t.Fatal(err)
	}
	want(t, text(), `gakushoku_rebuild_events_total{gakushoku_projection="orders",gakushoku_step="Verify"} 1800`)
}

func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no %s in\n%s", line, text)
		}
	}
}
