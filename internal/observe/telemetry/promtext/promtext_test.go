package promtext_test

import (
	"context"
	"errors"
	"math"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/promtext"
)

func metrics(t *testing.T) (*observe.Metrics, *sdkmetric.ManualReader, metric.Meter) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	m, err := observe.NewMetrics(meter)
	if err != nil {
		t.Fatal(err)
	}
	return m, reader, meter
}

// Every meter of package observe, as testdata/metrics.txt has it. Dashboards know these names.
func TestTheTextOfEveryMeter(t *testing.T) {
	t.Parallel()
	m, reader, _ := metrics(t)
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
	m.Parked(ctx, "orders", 2)
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
	answer := httptest.NewRecorder()
	promtext.Handler(reader).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Header().Get("Content-Type") != promtext.ContentType {
		t.Error(answer.Header())
	}
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(golden), "\n"), strings.Split(answer.Body.String(), "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	t.Parallel()
	_, reader, meter := metrics(t)
	counter, err := meter.Int64Counter("odd.name", metric.WithDescription("two\nlines \\"))
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("a.b", "say \"注文\"\n\\")))
	text, err := promtext.Read(t.Context(), reader)
	want := "# HELP odd_name_total two\\nlines \\\\\n# TYPE odd_name_total counter\nodd_name_total{a_b=\"say \\\"注文\\\"\\n\\\\\"} 1\n"
	if err != nil || text != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
}

func TestAReaderThatHasEndedIsAnError(t *testing.T) {
	t.Parallel()
	_, reader, _ := metrics(t)
	if err := reader.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	if promtext.Handler(reader).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil)); answer.Code != 500 {
		t.Error(answer.Code)
	}
}
