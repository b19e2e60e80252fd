package observe

import (
	"context"
	"crypto/rand"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var propagator = propagation.TraceContext{}

// WithRemoteTrace returns a context in the trace that the caller's W3C headers name, with a
// span of our own; in a new trace when they name none or are not valid. Its log lines carry
// trace_id and span_id.
func WithRemoteTrace(ctx context.Context, headers http.Header) context.Context {
	remote := trace.SpanContextFromContext(propagator.Extract(ctx, propagation.HeaderCarrier(headers)))
	config := trace.SpanContextConfig{TraceID: remote.TraceID(), TraceFlags: remote.TraceFlags(), TraceState: remote.TraceState()}
	if !remote.IsValid() {
		rand.Read(config.TraceID[:]) // never fails (crypto/rand)
	}
	rand.Read(config.SpanID[:])
	span := trace.NewSpanContext(config)
	ctx = trace.ContextWithSpanContext(ctx, span)
	ctx = withLoggerField(ctx, FieldTraceID, span.TraceID().String())
	return withLoggerField(ctx, FieldSpanID, span.SpanID().String())
}

// Traceparent is the W3C traceparent of ctx, or "".
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
