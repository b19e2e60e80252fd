package telemetry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
)

// Whatever is sent elsewhere, what failed or was slow is kept, and nothing else.
func TestWhatIsKeptDoesNotDependOnWhatIsSent(t *testing.T) {
	t.Parallel()
	kept := []string{"append", "slow", "append", "failed"}
	for name, test := range map[string]struct {
		pairs      []string
		sent, kept []string
		recorded   bool
	}{
		"nothing is sent": {nil, nil, kept, true},
		"all is sent":     {[]string{"OTEL_TRACES_EXPORTER", "memory"}, []string{"append", "fast", "append", "slow", "append", "failed"}, kept, true},
		"what was slow is sent": {
			[]string{"OTEL_TRACES_EXPORTER", "memory", "OTEL_TRACES_SAMPLER", "always_off"}, kept, kept, true,
		},
		"nobody says what is slow":                 {[]string{"GAKUSHOKU_TRACES_SLOW", "off"}, nil, nil, false},
		"nobody says what is slow, little is sent": {[]string{"OTEL_TRACES_EXPORTER", "memory", "OTEL_TRACES_SAMPLER", "always_off", "GAKUSHOKU_TRACES_SLOW", "off"}, nil, nil, true},
		"it is turned off":                         {[]string{"OTEL_SDK_DISABLED", "true"}, nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere, here := tracetest.NewInMemoryExporter(), tracetest.NewInMemoryExporter()
			opened, err := telemetry.Open(t.Context(), telemetry.Options{
				Getenv: environment(test.pairs...), Logger: zerolog.Nop(), Kept: here,
				More: telemetry.SpanExporters{"memory": func(context.Context) (sdktrace.SpanExporter, error) { return elsewhere, nil }},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close(context.Background()) //nolint:errcheck // it is memory
			if recorded := opened.Tracer() != nil; recorded != test.recorded {
				t.Fatalf("recorded: %v", recorded)
			}
			if !test.recorded {
				return
			}
			for _, operation := range []string{"fast", "slow", "failed"} {
				carryOut(t.Context(), opened.Tracer(), operation)
			}
			if err := opened.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{test.sent, test.kept}, [][]string{names(elsewhere), names(here)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// carryOut is a request that is fast, slow or failed.
func carryOut(ctx context.Context, tracer trace.Tracer, operation string) {
	took := time.Millisecond
	if operation == "slow" {
		took = time.Second
	}
	ctx, request := tracer.Start(ctx, operation, trace.WithTimestamp(noon))
	_, inner := tracer.Start(ctx, "append", trace.WithTimestamp(noon))
	inner.End(trace.WithTimestamp(noon.Add(took)))
	if operation == "failed" {
		failed(request, http.ErrHandlerTimeout)
	}
	request.End(trace.WithTimestamp(noon.Add(took)))
}

func names(e *tracetest.InMemoryExporter) (all []string) {
	for _, s := range e.GetSpans() {
		all = append(all, s.Name)
	}
	return all
}

// What a caller has decided about a trace goes on to others, when nothing is sent from here.
func TestKeepingChangesNoDecisionOfACaller(t *testing.T) {
	t.Parallel()
	opened, err := telemetry.Open(t.Context(), telemetry.Options{Getenv: environment(), Logger: zerolog.Nop(), Kept: tracetest.NewInMemoryExporter()})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close(context.Background()) //nolint:errcheck // it is memory
	for _, parent := range []string{sampled, unsampled} {
		ctx, span := observe.StartRemote(observe.WithTracer(t.Context(), opened.Tracer()), http.Header{"Traceparent": {parent}}, "request", observe.Server)
		if got := observe.Traceparent(ctx); got[53:] != parent[53:] {
			t.Errorf("%s goes on as %s", parent, got)
		}
		span.End()
	}
}

// BenchmarkARequestThatIsKeptOrNot is what the server pays for each request: its spans, all of
// which are recorded.
func BenchmarkARequestThatIsKeptOrNot(b *testing.B) {
	for _, operation := range []string{"fast", "slow"} {
		b.Run(operation, func(b *testing.B) {
			opened, err := telemetry.Open(b.Context(), telemetry.Options{Getenv: environment(), Logger: zerolog.Nop(), Kept: discard{}})
			if err != nil {
				b.Fatal(err)
			}
			defer opened.Close(context.Background()) //nolint:errcheck // it writes nothing
			b.ReportAllocs()
			for b.Loop() {
				carryOut(b.Context(), opened.Tracer(), operation)
			}
		})
	}
}

type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }
