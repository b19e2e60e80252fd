package spanlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/spans"
	"gakushoku/internal/observe/telemetry/spanlog"
)

const remote = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestSpansAreLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanlog.New(&out)))
	tracer := provider.Tracer("test")
	ctx, root := tracer.Start(observe.WithParent(t.Context(), remote), "POST <order>", trace.WithSpanKind(trace.SpanKindServer))
	root.SetAttributes(attribute.Int("http.response.status_code", 200), attribute.StringSlice("names", []string{"a", "b"}))
	_, child := tracer.Start(ctx, "load", trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(trace.Link{SpanContext: root.SpanContext()}, trace.Link{SpanContext: root.SpanContext()}))
	child.RecordError(errors.New("the disk is full"))
	child.SetStatus(codes.Error, "infra")
	child.End()
	root.End()
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], "POST <order>") {
		t.Fatalf("%s", out.String())
	}
	var got [2]spans.Span
	for i := range got {
		if err := json.Unmarshal([]byte(lines[i]), &got[i]); err != nil {
			t.Fatal(err)
		}
		if got[i].DurationMs < 0 || got[i].Timestamp.Time().IsZero() {
			t.Errorf("%+v", got[i])
		}
		got[i].DurationMs, got[i].Timestamp = 0, spans.Time{}
	}
	id := root.SpanContext()
	want := [2]spans.Span{
		{Name: "load", Kind: "client", TraceID: id.TraceID().String(), SpanID: child.SpanContext().SpanID().String(), ParentID: id.SpanID().String(), Error: "the disk is full", Links: []string{id.TraceID().String()}},
		// Its parent is another process: here it is a root.
		{Name: "POST <order>", Kind: "server", TraceID: id.TraceID().String(), SpanID: id.SpanID().String(), Attributes: map[string]any{"http.response.status_code": 200.0, "names": []any{"a", "b"}}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b spans.Time) bool { return a.Time().Equal(b.Time()) })); diff != "" {
		t.Error(diff)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestAnErrorOfTheFileIsTold(t *testing.T) {
	t.Parallel()
	provider := sdktrace.NewTracerProvider()
	_, span := provider.Tracer("test").Start(t.Context(), "x")
	span.End()
	if err := spanlog.New(brokenWriter{}).ExportSpans(t.Context(), []sdktrace.ReadOnlySpan{span.(sdktrace.ReadOnlySpan)}); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v", err)
	}
}
