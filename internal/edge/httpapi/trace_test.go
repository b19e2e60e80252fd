package httpapi

import (
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
)

// traced is a canteen and the spans of it that have ended.
func traced(t *testing.T) (*canteen, *tracetest.SpanRecorder, trace.Tracer) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	return newCanteen(t, func(c *Config) { c.Tracer = tracer }), spans, tracer
}

// attributes are those of a span that has ended.
func attributes(span sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, a := range span.Attributes() {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

func named(t *testing.T, spans *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	for _, span := range spans.Ended() {
		if span.Name() == name {
			return span
		}
	}
	t.Fatalf("there is no span %s of %d", name, len(spans.Ended()))
	return nil
}

func TestOneTraceFromTheRequestToTheRow(t *testing.T) {
	t.Parallel()
	c, spans, tracer := traced(t)
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	c.send("POST /orders", `{"orderId":"o1","total":780}`, "traceparent: 00-"+caller+"-00f067aa0ba902b7-01", "x-correlation-id: c1").want(t, http.StatusCreated, "")
	request := named(t, spans, "POST /orders")
	command, appended := named(t, spans, "PlaceOrder"), named(t, spans, "append")
	for child, parent := range map[sdktrace.ReadOnlySpan]trace.SpanID{request: {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}, command: request.SpanContext().SpanID(), appended: command.SpanContext().SpanID()} {
		if child.SpanContext().TraceID().String() != caller || child.Parent().SpanID() != parent {
			t.Errorf("%s: trace %s, parent %s, want %s", child.Name(), child.SpanContext().TraceID(), child.Parent().SpanID(), parent)
		}
	}
	got := attributes(request)
	for key, want := range map[string]string{"http.request.method": "POST", "http.route": "/orders", "url.path": "/orders", "http.response.status_code": "201", "correlation.id": "c1", "url.scheme": "http"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if got := attributes(command); got[observe.AttrCommand] != "PlaceOrder" || got[observe.AttrStream] != "order-o1" || got[observe.AttrVersion] != "1" {
		t.Errorf("the command: %v", got)
	}
	stored, err := c.events.Load(t.Context(), "order-o1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if failed := c.projector.Apply(observe.WithTracer(t.Context(), tracer), stored); failed.Err() != nil {
		t.Fatal(failed)
	}
	delivery, projected := named(t, spans, "process events"), named(t, spans, "project")
	links := delivery.Links()
	if len(links) != 1 || links[0].SpanContext.TraceID().String() != caller || links[0].SpanContext.SpanID() != command.SpanContext().SpanID() {
		t.Errorf("the delivery's links: %v", links)
	}
	if projected.Parent().SpanID() != delivery.SpanContext().SpanID() || attributes(projected)[observe.AttrProjection] == "" || delivery.SpanKind() != trace.SpanKindConsumer {
		t.Errorf("the projection: %v %v", projected.Parent(), attributes(projected))
	}
}

func TestSpansTellWhoseAnErrorIs(t *testing.T) {
	t.Parallel()
	c, spans, _ := traced(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, http.StatusCreated, "")
	c.send("POST /orders/o1/pickup", "").want(t, http.StatusConflict, "order/not-ready")
	request := named(t, spans, "POST /orders/{id}/pickup")
	if got := attributes(request); request.Status().Code == codes.Error || got[observe.AttrErrorClass] != "domain" || got["gakushoku.code"] == "" || got["url.path"] != "/orders/o1/pickup" {
		t.Errorf("a refusal: %v %v", request.Status(), got)
	}
	c.send("GET /health/live", "").want(t, http.StatusOK, "")
	for _, span := range spans.Ended() {
		if attributes(span)["url.path"] == "/health/live" {
			t.Error("a health check is traced")
		}
	}
}
