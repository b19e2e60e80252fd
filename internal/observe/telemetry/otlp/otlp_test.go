package otlp_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metricscollector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/observe/telemetry/otlp"
)

// It sets the environment, which is where OTLP's exporter looks.
// collected starts a collector, points the exporters to it, and gives what it is sent at a path.
func collected[T any, Request interface {
	*T
	proto.Message
}](t *testing.T, path string) <-chan Request {
	t.Helper()
	got := make(chan Request, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		request := Request(new(T))
		if err != nil || proto.Unmarshal(raw, request) != nil || r.URL.Path != path || r.Header.Get("Authorization") != "secret" {
			t.Errorf("%s %s: %v %q", r.Method, r.URL, err, raw)
		}
		got <- request
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
	return got
}

func TestACollectorGetsTheSpans(t *testing.T) {
	got := collected[collector.ExportTraceServiceRequest](t, "/v1/traces")
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Function: "server", Getenv: os.Getenv, More: otlp.Spans()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, request := observe.Start(observe.WithTracer(t.Context(), sent.Tracer()), "POST /orders", observe.Server)
	_, command := observe.Start(ctx, "PlaceOrder", observe.Internal)
	command.End()
	request.Int("http.response.status_code", 201).End()
	if err := sent.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	resource := (<-got).ResourceSpans[0]
	about := map[string]string{}
	for _, a := range resource.Resource.Attributes {
		about[a.Key] = a.Value.GetStringValue()
	}
	if diff := cmp.Diff(map[string]string{"service.name": "gakushoku", "service.namespace": "gakushoku", "gakushoku.function": "server"}, about); diff != "" {
		t.Error(diff)
	}
	spans := resource.ScopeSpans[0].Spans
	if len(spans) != 2 || spans[0].Name != "PlaceOrder" || spans[1].Name != "POST /orders" || string(spans[0].ParentSpanId) != string(spans[1].SpanId) || spans[1].Attributes[0].Value.GetIntValue() != 201 {
		t.Errorf("%v", spans)
	}
}

func TestACollectorGetsTheMetrics(t *testing.T) {
	got := collected[metricscollector.ExportMetricsServiceRequest](t, "/v1/metrics")
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Function: "server", Getenv: os.Getenv, Metrics: otlp.Metrics()})
	if err != nil {
		t.Fatal(err)
	}
	sent.Metrics().Command(t.Context(), "PlaceOrder", 3*time.Millisecond, 1, nil)
	if err := sent.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	metrics := map[string]string{}
	for _, m := range (<-got).ResourceMetrics[0].ScopeMetrics[0].Metrics {
		metrics[m.Name] = m.Unit
	}
	if diff := cmp.Diff(map[string]string{observe.MetricCommands: "s", observe.MetricAppended: ""}, metrics); diff != "" {
		t.Error(diff)
	}
}

// Where nobody has said where the collector is, it is where OpenTelemetry's specification says:
// on this machine, without TLS.
func TestACollectorThatNobodyHasNamedIsOnThisMachine(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:4318")
	if err != nil {
		t.Skipf("somebody else is the collector here: %v", err)
	}
	asked := make(chan string, 2)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path })}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	t.Cleanup(func() { server.Close() })
	unset(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Function: "server", Getenv: os.Getenv, More: otlp.Spans(), Metrics: otlp.Metrics()})
	if err != nil {
		t.Fatal(err)
	}
	_, span := observe.Start(observe.WithTracer(t.Context(), sent.Tracer()), "POST /orders", observe.Server)
	span.End()
	sent.Metrics().Command(t.Context(), "PlaceOrder", time.Millisecond, 1, nil)
	if err := sent.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := []string{<-asked, <-asked}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"/v1/metrics", "/v1/traces"}, got); diff != "" {
		t.Error(diff)
	}
}

// unset takes away what may be set around the tests.
func unset(t *testing.T) {
	t.Helper()
	for _, signal := range []string{"", "TRACES_", "METRICS_"} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+signal+"ENDPOINT", "")
		t.Setenv("OTEL_EXPORTER_OTLP_"+signal+"PROTOCOL", "")
	}
}

// What the exporters would pass over in silence is said when they are made.
func TestAnExporterThatCouldSendNothingIsRefused(t *testing.T) {
	for _, setting := range []struct{ name, value string }{
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://"},
	} {
		t.Run(setting.name, func(t *testing.T) {
			unset(t)
			t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
			t.Setenv(setting.name, setting.value)
			_, err := telemetry.Open(t.Context(), telemetry.Options{Function: "server", Getenv: os.Getenv, More: otlp.Spans()})
			if err == nil || !strings.Contains(err.Error(), setting.value) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestMetricsThatGetLostAreCounted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(server.Close)
	unset(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Function: "server", Getenv: os.Getenv, Metrics: otlp.Metrics()})
	if err != nil {
		t.Fatal(err)
	}
	defer sent.Close(t.Context()) //nolint:errcheck // it cannot send either
	sent.Metrics().Command(t.Context(), "PlaceOrder", time.Millisecond, 1, nil)
	for range 2 {
		if err := sent.Flush(t.Context()); err == nil {
			t.Error("it was sent")
		}
	}
	sinks := sent.Sinks()
	if len(sinks) != 1 || sinks[0].Name() != "metrics" || sinks[0].Lost() != 2 {
		t.Errorf("%d sinks: %s has lost %d exports", len(sinks), sinks[0].Name(), sinks[0].Lost())
	}
}
