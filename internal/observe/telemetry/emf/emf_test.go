package emf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"pgregory.net/rapid"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

// measuring is the meters of a function and the log that they are written to.
type measuring struct {
	*observe.Metrics
	meter    metric.Meter
	provider *sdkmetric.MeterProvider
	out      bytes.Buffer
}

type tester interface {
	Helper()
	Fatal(...any)
	Context() context.Context
}

func measure(t tester) *measuring {
	t.Helper()
	m := &measuring{}
	reader := emf.New(emf.Options{
		Namespace: "gakushoku/canteen", Service: "gakushoku", Function: "command", Out: &m.out,
		Now:    func() time.Time { return time.Date(2026, 1, 24, 3, 0, 0, 5e6, time.UTC) },
		Fields: func(context.Context) map[string]string { return map[string]string{"function_request_id": "r1"} },
	})
	m.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	m.meter = m.provider.Meter("test")
	var err error
	if m.Metrics, err = observe.NewMetrics(m.meter); err != nil {
		t.Fatal(err)
	}
	return m
}

// flush is the lines of what was measured since the last time.
func (m *measuring) flush(t tester) []string {
	t.Helper()
	m.out.Reset()
	if err := m.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(m.out.String(), func(r rune) bool { return r == '\n' })
}

// everything measures with every meter of package observe.
func (m *measuring) everything(ctx context.Context) {
	m.Request(ctx, "POST", "/orders", 201, 3*time.Millisecond, nil)
	m.Request(ctx, "GET", "", 404, time.Millisecond, errors.New("x"))
	m.Command(ctx, "PlaceOrder", 2*time.Millisecond, 1, nil)
	m.Command(ctx, "PayOrder", time.Minute, 0, fault.Unavailable(errors.New("x")))
	m.Conflict(ctx, "PayOrder")
	m.Delivered(ctx, "orders", "applied")
	m.Delivered(ctx, "orders", "parked")
	m.Projected(ctx, "orders", 40*time.Millisecond)
	m.Projected(ctx, "orders", -time.Second)
	m.Healed(ctx, "orders", 3)
	m.Parked(ctx, "orders", 2)
	m.ProcessStep(ctx, "chasing", "remind", 3*time.Millisecond, nil)
	m.ProcessRun(ctx, "chasing", observe.RunCompleted)
	m.ProcessState(ctx, "chasing", 2, 3*time.Second)
	m.Called(ctx, "parcels", "send", 5*time.Millisecond, nil)
	m.Called(ctx, "parcels", "send", time.Second, fault.Unavailable(errors.New("x")))
	m.Archived(ctx, 1234567, 2*time.Second)
	m.AuditBroken(ctx, true)
	m.BackupLate(ctx, true)
	m.RestoreFailed(ctx, true)
	m.PointerRead(ctx, true)
	m.Planned(ctx, "orders", 1_000_000)
	m.Folded(ctx, "orders", "Replay", 500)
	m.Verified(ctx, "orders", false)
	m.ColdStarted(ctx)
	m.Retried(ctx, "PayOrder")
	m.Repeated(ctx, "PlaceOrder")
	m.TableTouched(ctx, observe.TableChanged)
	if err := m.Watch(func(context.Context) observe.Vitals { return observe.Vitals{CPU: 0.25, Memory: 0.5, Disk: 0.125} }); err != nil {
		panic(err)
	}
}

// What the lines of every meter are. Alarms and dashboards read them.
func TestTheLinesOfEveryMeter(t *testing.T) {
	t.Parallel()
	m := measure(t)
	m.everything(t.Context())
	golden, err := os.ReadFile("testdata/lines.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := m.flush(t)
	if diff := cmp.Diff(strings.Fields(string(golden)), lines); diff != "" {
		t.Error(diff)
	}
	check(t, lines)
	named := strings.Join(lines, "\n")
	for name := range emf.Dimensions {
		if !strings.Contains(named, `"Name":"`+name+`"`) {
			t.Errorf("nothing measures %s", name)
		}
	}
	for _, again := range m.flush(t) {
		if strings.Contains(again, observe.MetricAppended) || !strings.Contains(again, observe.MetricCPU) {
			t.Errorf("written twice: %v", again)
		}
	}
}

// TestNoMeterIsForgotten asks the SDK what there is, so that a new meter gets its dimensions.
func TestNoMeterIsForgotten(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	metrics, err := observe.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	if err != nil {
		t.Fatal(err)
	}
	(&measuring{Metrics: metrics}).everything(t.Context())
	names := collected(t, reader)
	for _, name := range names {
		if _, ok := emf.Dimensions[name]; !ok {
			t.Errorf("%s has no dimensions, so CloudWatch never gets it", name)
		}
	}
	if len(names) != len(emf.Dimensions) {
		t.Errorf("%d meters, %d metrics", len(names), len(emf.Dimensions))
	}
}

func TestDimensionsKeepToTheFormat(t *testing.T) {
	t.Parallel()
	for name, sets := range emf.Dimensions {
		seen := map[string]bool{}
		for _, set := range sets {
			sorted := slices.Sorted(slices.Values(set))
			if set[0] != emf.Service || len(set) > 4 || len(slices.Compact(sorted)) != len(set) || seen[fmt.Sprint(sorted)] {
				t.Errorf("%s: %v", name, set)
			}
			seen[fmt.Sprint(sorted)] = true
		}
		if len(sets) == 0 || len(name) > 1024 {
			t.Errorf("%s: %v", name, sets)
		}
	}
}

// Whatever is measured, the lines are valid, and every value is written once.
func TestLinesKeepToTheFormat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := measure(t)
		counts := map[string]int{}
		for range rapid.IntRange(0, 300).Draw(t, "commands") {
			name := rapid.SampledFrom([]string{"PlaceOrder", "PayOrder", ""}).Draw(t, "name")
			var err error
			if rapid.Bool().Draw(t, "fails") {
				err = errors.New("x")
			}
			m.Command(t.Context(), name, time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "took")), 1, err)
			counts[name]++
			m.Folded(t.Context(), rapid.SampledFrom([]string{"orders", "sales"}).Draw(t, "projection"), "Replay", 1)
		}
		lines := m.flush(t)
		check(t, lines)
		for _, l := range lines {
			var parsed struct {
				CommandName string    `json:"commandName"`
				Took        []float64 `json:"gakushoku.command.duration"`
			}
			if err := json.Unmarshal([]byte(l), &parsed); err != nil {
				t.Fatal(err)
			}
			counts[strings.TrimPrefix(parsed.CommandName, "none")] -= len(parsed.Took)
		}
		for name, left := range counts {
			if left != 0 {
				t.Fatalf("%q: %d values are missing", name, left)
			}
		}
	})
}

func TestMetricsThatNobodyPaysForAreNotWritten(t *testing.T) {
	t.Parallel()
	m := measure(t)
	counter, err := m.meter.Int64Counter("made.up")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	if lines := m.flush(t); len(lines) != 0 {
		t.Errorf("%v", lines)
	}
}

func TestAnInvocationThatRanOutOfTimeIsMeasured(t *testing.T) {
	t.Parallel()
	m := measure(t)
	m.ColdStarted(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.provider.Shutdown(ctx); err != nil || !strings.Contains(m.out.String(), observe.MetricColdStarts) {
		t.Errorf("%v %s", err, m.out.String())
	}
	if err := m.provider.ForceFlush(t.Context()); err == nil {
		t.Error("a reader that has ended was flushed")
	}
}

// collected are the names of what a reader has.
func collected(t *testing.T, reader sdkmetric.Reader) []string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			names = append(names, m.Name)
		}
	}
	return names
}
