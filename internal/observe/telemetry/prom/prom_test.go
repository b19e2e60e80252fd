package prom_test

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
)

// Dashboards, alarms and runbooks know the names of testdata/metrics.txt.
func TestEveryMeterKeepsItsName(t *testing.T) {
	t.Parallel()
	m, text := observetest.Metrics(t)
	ctx := t.Context()
	m.Request(ctx, "POST", "/orders", 201, 3*time.Millisecond, nil)
	m.Request(ctx, "POST", "/orders", 201, 2*time.Second, nil)
	m.Request(ctx, "GET", "", 404, time.Millisecond, errors.New("x"))
	m.Command(ctx, "PlaceOrder", 2*time.Millisecond, 1, nil)
	m.Command(ctx, "PayOrder", time.Minute, 0, fault.Unavailable(errors.New("x")))
	m.Conflict(ctx, "PayOrder")
	m.Delivered(ctx, "orders", "applied")
	m.Delivered(ctx, "orders", "parked")
	m.Projected(ctx, "orders", 40*time.Millisecond)
	m.Projected(ctx, "orders", -time.Second)
	m.Healed(ctx, "orders", 3)
	m.Archived(ctx, 1234567, 2*time.Second)
	m.AuditBroken(ctx, false)
	m.BackupLate(ctx, true)
	m.RestoreFailed(ctx, false)
	m.Parked(ctx, "orders", 2)
	m.ProcessStep(ctx, "chasing", "remind", 3*time.Millisecond, nil)
	m.ProcessRun(ctx, "chasing", observe.RunCompleted)
	m.ProcessState(ctx, "chasing", 2, 3*time.Second)
	m.Planned(ctx, "orders", 1_000_000)
	m.Folded(ctx, "orders", "Replay", 500)
	m.Verified(ctx, "orders", true)
	m.ColdStarted(ctx)
	m.Retried(ctx, "PayOrder")
	m.Repeated(ctx, "PlaceOrder")
	if err := m.Watch(func(context.Context) observe.Vitals {
		return observe.Vitals{CPU: 0.25, Memory: 0.5, Disk: math.NaN()}
	}); err != nil {
		t.Fatal(err)
	}
	m.PointerRead(ctx, true)
	m.PointerRead(ctx, true)
	m.PointerRead(ctx, false)
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(golden), "\n"), own(text())); diff != "" {
		t.Error(diff)
	}
}

// own returns the lines of our meters.
func own(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_")
	})
}

func TestTheRuntimeAndTheProcessAreShown(t *testing.T) {
	t.Parallel()
	_, text := observetest.Metrics(t)
	for _, want := range []string{"\ngo_goroutines ", "\ngo_memstats_heap_alloc_bytes ", "\nprocess_open_fds ", "\nprocess_resident_memory_bytes "} {
		if !strings.Contains(text(), want) {
			t.Errorf("there is no %s", strings.TrimSpace(want))
		}
	}
}
