package observe

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var propagator = propagation.TraceContext{}

type tracerKey struct{}

// WithTracer returns a context whose operations tracer records. A nil tracer records nothing.
func WithTracer(ctx context.Context, tracer trace.Tracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, tracer)
}

// TracerOf returns the tracer of ctx, or nil.
func TracerOf(ctx context.Context) trace.Tracer {
	tracer, _ := ctx.Value(tracerKey{}).(trace.Tracer)
	return tracer
}

// WithParent returns a context within the span that a W3C traceparent names. An invalid one is ignored.
func WithParent(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagator.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// StartRemote starts a span in the trace that the caller's W3C headers name, or in a new trace if they
// name none. Log lines and events get ids even if the span is not recorded.
func StartRemote(ctx context.Context, headers http.Header, name string, kind trace.SpanKind) (context.Context, Span) {
	ctx = propagator.Extract(ctx, propagation.HeaderCarrier(headers))
	if tracer := TracerOf(ctx); tracer != nil {
		ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(kind))
		return withSpanFields(ctx, span.SpanContext()), recording(span)
	}
	remote := trace.SpanContextFromContext(ctx)
	config := trace.SpanContextConfig{TraceID: remote.TraceID(), TraceFlags: remote.TraceFlags(), TraceState: remote.TraceState()}
	if !remote.IsValid() {
		rand.Read(config.TraceID[:]) // never fails (crypto/rand)
	}
	rand.Read(config.SpanID[:])
	span := trace.NewSpanContext(config)
	return withSpanFields(trace.ContextWithSpanContext(ctx, span), span), Span{}
}

// Start starts a span within the span of ctx. Without a tracer this costs nothing and returns ctx.
func Start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	tracer := TracerOf(ctx)
	if tracer == nil {
		return ctx, Span{} // before the options, which allocate
	}
	return start(ctx, tracer, name, trace.WithSpanKind(kind))
}

// Recording reports whether the span of ctx is recorded. It costs nothing.
func Recording(ctx context.Context) bool {
	return TracerOf(ctx) != nil && trace.SpanFromContext(ctx).IsRecording()
}

// Past returns a span within the span of ctx with a start in the past.
func Past(ctx context.Context, name string, kind trace.SpanKind, began time.Time) Span {
	tracer := TracerOf(ctx)
	if tracer == nil {
		return Span{}
	}
	_, span := tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began))
	return recording(span)
}

// brief is the duration below which a part cannot explain a slow operation.
const brief = time.Millisecond

// Part is a part of an operation that is usually too short to deserve a span. In a sampled operation it is
// a span. In one that is only recorded in case it fails or is slow, it becomes a span afterwards if it
// failed or was not brief: that halves the cost of recording traces that are mostly dropped.
type Part struct {
	span  Span
	name  string
	began time.Time // zero if the operation is not recorded, or the part has a span
}

// StartPart starts a part of the operation of ctx.
func StartPart(ctx context.Context, name string) (context.Context, Part) {
	if !Recording(ctx) {
		return ctx, Part{}
	}
	if trace.SpanContextFromContext(ctx).IsSampled() {
		ctx, span := Start(ctx, name, Internal)
		return ctx, Part{span: span}
	}
	return ctx, Part{name: name, began: time.Now()}
}

// Over returns the span of the part, which ended with err. The caller must end the span. ctx is the one
// that StartPart returned.
func (p Part) Over(ctx context.Context, err error) Span {
	if p.began.IsZero() || err == nil && time.Since(p.began) < brief {
		return p.span.Failed(err)
	}
	return Past(ctx, p.name, Internal, p.began).Failed(err)
}

// maxLinks bounds the links of a span, as the SDK's limit does.
const maxLinks = 128

// StartLinked is like Start, for the processing of events: the span is linked to those that appended the
// events, which their W3C traceparents name. Events may share one.
func StartLinked(ctx context.Context, name string, kind trace.SpanKind, traceparents iter.Seq[string]) (context.Context, Span) {
	tracer := TracerOf(ctx)
	if tracer == nil {
		return ctx, Span{}
	}
	var links []trace.Link
	seen := map[string]bool{}
	for parent := range traceparents {
		if parent == "" || seen[parent] {
			continue
		}
		seen[parent] = true
		cause := trace.SpanContextFromContext(WithParent(context.Background(), parent))
		if cause.IsValid() {
			links = append(links, trace.Link{SpanContext: cause})
		}
		if len(links) == maxLinks {
			break
		}
	}
	return start(ctx, tracer, name, trace.WithSpanKind(kind), trace.WithLinks(links...))
}

func start(ctx context.Context, tracer trace.Tracer, name string, options ...trace.SpanStartOption) (context.Context, Span) {
	ctx, span := tracer.Start(ctx, name, options...)
	if !span.IsRecording() {
		return ctx, Span{}
	}
	return withSpanFields(ctx, span.SpanContext()), Span{span}
}

// Traceparent returns the W3C traceparent of ctx, or "".
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
