package telemetry_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		if i := slices.Index(pairs, name); i >= 0 {
			return pairs[i+1]
		}
		return ""
	}
}

// open is telemetry whose spans come into memory, under the exporter name memory.
func open(t *testing.T, pairs ...string) (*telemetry.Telemetry, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	sent, err := telemetry.Open(t.Context(), telemetry.Options{
		Function: "test", Getenv: environment(append(pairs, "OTEL_TRACES_EXPORTER", "memory")...), Logger: zerolog.Nop(),
		More: telemetry.SpanExporters{"memory": func(context.Context) (sdktrace.SpanExporter, error) { return kept, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sent.Close(context.Background()) }) //nolint:errcheck // it is memory
	return sent, kept
}

func TestNothingIsRecordedUnlessItIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, pairs := range [][]string{
		{}, {"OTEL_TRACES_EXPORTER", "none"}, {"OTEL_TRACES_EXPORTER", "console", "OTEL_SDK_DISABLED", "true"},
		{"OTEL_TRACES_EXPORTER", "xray", "AWS_LAMBDA_FUNCTION_NAME", "query"}, // without a daemon: an emulator
	} {
		sent, err := telemetry.Open(t.Context(), telemetry.Options{Getenv: environment(pairs...)})
		if err != nil || sent.Tracer() != nil {
			t.Errorf("%v: %v %v", pairs, sent.Tracer(), err)
		}
		if err := sent.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if err := sent.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Not parallel: it counts allocations.
func TestASpanThatNobodyRecordsCostsNoAllocation(t *testing.T) {
	ctx, _ := observe.StartRemote(t.Context(), nil, "request", observe.Server)
	if n := testing.AllocsPerRun(100, func() {
		inner, span := observe.Start(ctx, "append", observe.Client)
		span.Str(observe.AttrStream, "order-o1").Int(observe.AttrEvents, 1).Failed(nil).End()
		if inner != ctx {
			t.Error("the context is another")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheConsoleShowsSpans(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Function: "server", Getenv: environment("OTEL_TRACES_EXPORTER", "console"), Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	_, span := observe.Start(observe.WithTracer(t.Context(), sent.Tracer()), "PlaceOrder", observe.Internal)
	span.Str(observe.AttrStream, "order-o1").End()
	if err := sent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var shown struct{ Name string }
	if err := json.Unmarshal(out.Bytes(), &shown); err != nil || shown.Name != "PlaceOrder" || !strings.Contains(out.String(), "order-o1") {
		t.Errorf("%v: %s", err, out.String())
	}
	if err := sent.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Saved queries and gakushoku logs ask for correlationId: an operation's spans are found with it,
// the inner ones, too.
func TestTheConsolesSpansHaveTheCorrelationIDWhereLogLinesHaveIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Function: "command", Getenv: environment("OTEL_TRACES_EXPORTER", "console"), Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	ctx, outer := observe.Start(observe.WithCorrelationID(observe.WithTracer(t.Context(), sent.Tracer()), "till-3:7"), "POST /orders", observe.Server)
	_, inner := observe.Start(ctx, "PlaceOrder", observe.Internal)
	inner.End()
	outer.End()
	if err := sent.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines for 2 spans:\n%s", len(lines), out.String())
	}
	for _, line := range lines {
		var shown struct{ Name, CorrelationID string }
		if err := json.Unmarshal([]byte(line), &shown); err != nil || shown.CorrelationID != "till-3:7" || shown.Name == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// reading is a program that can do two things with metrics.
func reading(t *testing.T, named string, unsaid string) (*telemetry.Telemetry, map[string]*sdkmetric.ManualReader, error) {
	t.Helper()
	opened, readers := map[string]*sdkmetric.ManualReader{}, telemetry.MetricReaders{}
	for _, name := range []string{"one", "two"} {
		readers[name] = func(context.Context) (sdkmetric.Reader, error) {
			opened[name] = sdkmetric.NewManualReader()
			return opened[name], nil
		}
	}
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Getenv: environment("OTEL_METRICS_EXPORTER", named), Logger: zerolog.Nop(), Metrics: readers, MetricsUnsaid: unsaid})
	return sent, opened, err
}

func TestMetricsGoWhereTheEnvironmentSays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		named, unsaid string
		want          []string
	}{{"", "two", []string{"two"}}, {"one", "two", []string{"one"}}, {"one, two", "", []string{"one", "two"}}, {"none", "two", nil}, {"", "", nil}} {
		sent, opened, err := reading(t, test.named, test.unsaid)
		if err != nil {
			t.Fatal(err)
		}
		sent.Metrics().ColdStarted(t.Context())
		if got := slices.Sorted(maps.Keys(opened)); !slices.Equal(got, test.want) || (sent.Metrics() == nil) != (test.want == nil) {
			t.Errorf("%+v: %v", test, got)
		}
		for name, reader := range opened {
			var all metricdata.ResourceMetrics
			if err := reader.Collect(t.Context(), &all); err != nil || len(all.ScopeMetrics) != 1 || all.ScopeMetrics[0].Metrics[0].Name != observe.MetricColdStarts {
				t.Errorf("%+v: %s has %v %v", test, name, all, err)
			}
		}
		if err := sent.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, named := range []string{"three", "one,three", "one,none", "one,"} {
		sent, opened, err := reading(t, named, "two")
		if err == nil || !strings.Contains(err.Error(), "OTEL_METRICS_EXPORTER") || sent.Metrics() != nil {
			t.Errorf("%q was accepted: %v", named, err)
		}
		if one := opened["one"]; one != nil && one.Collect(t.Context(), new(metricdata.ResourceMetrics)) == nil {
			t.Errorf("%q: a reader was left open", named)
		}
	}
}

func TestTheConsoleShowsMetrics(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Getenv: environment("OTEL_METRICS_EXPORTER", "console"), Metrics: telemetry.ConsoleMetrics(&out)})
	if err != nil {
		t.Fatal(err)
	}
	sent.Metrics().ColdStarted(t.Context())
	if err := sent.Flush(t.Context()); err != nil || !strings.Contains(out.String(), observe.MetricColdStarts) {
		t.Errorf("%v %s", err, out.String())
	}
	if err := sent.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestValuesThatNobodyKnowsAreRefused(t *testing.T) {
	t.Parallel()
	for _, pairs := range [][]string{
		{"OTEL_TRACES_EXPORTER", "zipkin"}, {"OTEL_TRACES_EXPORTER", "otlp"}, {"OTEL_TRACES_EXPORTER", "xray", "AWS_XRAY_DAEMON_ADDRESS", "nowhere"},
		{"OTEL_TRACES_EXPORTER", "console", "OTEL_TRACES_SAMPLER", "sometimes"},
		{"OTEL_TRACES_EXPORTER", "console", "GAKUSHOKU_TRACES_SLOW", "soon"}, {"OTEL_TRACES_EXPORTER", "console", "GAKUSHOKU_TRACES_SLOW", "0s"},
		{"OTEL_TRACES_EXPORTER", "console", "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "5%"},
		{"OTEL_TRACES_EXPORTER", "console", "OTEL_TRACES_SAMPLER_ARG", "1.5"}, {"OTEL_TRACES_EXPORTER", "console", "OTEL_TRACES_SAMPLER_ARG", "NaN"},
	} {
		sent, err := telemetry.Open(t.Context(), telemetry.Options{Getenv: environment(pairs...)})
		if err == nil || !strings.Contains(err.Error(), pairs[len(pairs)-2]) || sent.Tracer() != nil {
			t.Errorf("%v: %v", pairs, err)
		}
	}
}

const (
	sampled   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

func TestSamplersByTheirNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sampler, arg, parent, link string
		want                       bool
	}{
		{want: true}, {parent: sampled, want: true}, {parent: unsampled, want: false},
		{sampler: "always_on", parent: unsampled, want: true},
		{sampler: "always_off", parent: sampled, want: false},
		{sampler: "traceidratio", arg: "0", parent: sampled, want: false},
		{sampler: "traceidratio", want: true},
		{sampler: "parentbased_always_on", want: true},
		{sampler: "parentbased_always_off", want: false}, {sampler: "parentbased_always_off", parent: sampled, want: true},
		{sampler: "parentbased_always_off", link: sampled, want: true}, {sampler: "parentbased_always_off", link: unsampled, want: false},
		{parent: unsampled, link: sampled, want: true}, {parent: unsampled, link: unsampled, want: false},
		{sampler: "parentbased_always_off", parent: unsampled, link: sampled, want: true}, {sampler: "always_off", parent: unsampled, link: sampled, want: false},
		{sampler: "parentbased_traceidratio", arg: "0", want: false}, {sampler: "parentbased_traceidratio", arg: "0", parent: sampled, want: true},
		{sampler: "parentbased_traceidratio", arg: "0", link: sampled, want: true},
	} {
		sent, kept := open(t, "GAKUSHOKU_TRACES_SLOW", "off", "OTEL_TRACES_SAMPLER", test.sampler, "OTEL_TRACES_SAMPLER_ARG", test.arg)
		ctx := observe.WithParent(observe.WithTracer(t.Context(), sent.Tracer()), test.parent)
		_, span := observe.StartLinked(ctx, "process events", observe.Consumer, slices.Values([]string{test.link, test.link, "garbage"}))
		span.End()
		if err := sent.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		spans := kept.GetSpans()
		if got := len(spans) == 1; got != test.want {
			t.Errorf("%+v: sampled is %v", test, got)
		}
		if len(spans) == 1 && test.link != "" && (len(spans[0].Links) != 1 || spans[0].Links[0].SpanContext.SpanID().String() != "00f067aa0ba902b7") {
			t.Errorf("%+v: links %v", test, spans[0].Links)
		}
	}
}

func TestLogLinesCarryTheSpanThatIsUnderWay(t *testing.T) {
	t.Parallel()
	sent, kept := open(t)
	var out bytes.Buffer
	ctx := observe.WithTracer(observe.WithLogger(t.Context(), observe.NewLogger(&out, zerolog.InfoLevel, "test")), sent.Tracer())
	ctx, request := observe.StartRemote(ctx, http.Header{"Traceparent": {sampled}}, "request", observe.Server)
	ctx = observe.WithField(ctx, "orderId", "o1")
	inside, command := observe.Start(ctx, "command", observe.Internal)
	observe.Logger(observe.WithField(inside, "runId", "r1")).Info().Msg("inside")
	observe.Logger(ctx).Info().Msg("outside")
	command.End()
	request.End()
	if err := sent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, span := range kept.GetSpans() { // the inner one ended first
		var line map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
			t.Fatal(err)
		}
		if line["span_id"] != span.SpanContext.SpanID().String() || line["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" || line["orderId"] != "o1" {
			t.Errorf("%s of span %s", lines[i], span.SpanContext.SpanID())
		}
		if strings.Count(lines[i], `"span_id"`) != 1 || strings.Count(lines[i], `"trace_id"`) != 1 {
			t.Errorf("twice: %s", lines[i])
		}
	}
	if !strings.Contains(lines[0], `"runId":"r1"`) || strings.Contains(lines[1], "runId") {
		t.Errorf("%v", lines)
	}
}

type platform []attribute.KeyValue

func (p platform) Detect(context.Context) (*resource.Resource, error) {
	if p == nil {
		return resource.Empty(), errors.New("unknown platform")
	}
	return resource.NewWithAttributes("https://opentelemetry.io/schemas/1.0.0", p...), nil
}

func TestSpansDescribeThePlatform(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "canteen") // brings another schema
	kept := tracetest.NewInMemoryExporter()
	options := telemetry.Options{
		Getenv: environment("OTEL_TRACES_EXPORTER", "memory"), Platform: platform{attribute.String("faas.name", "command")},
		More: telemetry.SpanExporters{"memory": func(context.Context) (sdktrace.SpanExporter, error) { return kept, nil }},
	}
	sent, err := telemetry.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	_, span := sent.Tracer().Start(t.Context(), "x")
	span.End()
	if err := sent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name, ok := kept.GetSpans()[0].Resource.Set().Value("faas.name"); !ok || name.AsString() != "command" {
		t.Errorf("faas.name is %q", name.AsString())
	}
	options.Platform = platform(nil)
	if _, err := telemetry.Open(t.Context(), options); err == nil {
		t.Error("a platform that cannot be detected is no error")
	}
}

func TestTracesForXRayBeginWithTheTime(t *testing.T) {
	t.Parallel()
	sent, err := telemetry.Open(t.Context(), telemetry.Options{Getenv: environment("OTEL_TRACES_EXPORTER", "xray")})
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now().Unix()
	_, span := sent.Tracer().Start(t.Context(), "x")
	id := span.SpanContext().TraceID()
	if began := int64(binary.BigEndian.Uint32(id[:4])); began < before || began > time.Now().Unix() {
		t.Errorf("trace %s begins with %d, want %d", id, began, before)
	}
}
