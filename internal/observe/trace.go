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

// WithTracer returns a context whose operations are recorded by tracer; by nobody when it is
// nil.
func WithTracer(ctx context.Context, tracer trace.Tracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, tracer)
}

// TracerOf is who records the operations of ctx, nil when nobody does.
func TracerOf(ctx context.Context) trace.Tracer {
	tracer, _ := ctx.Value(tracerKey{}).(trace.Tracer)
	return tracer
}

// WithParent returns a context in the span that a W3C traceparent names, unless it is not valid:
// spans that are started in it are parts of that one.
func WithParent(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagator.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// StartRemote begins a span in the trace that the caller's W3C headers name, and in a new
// trace when they name none or are not valid. There are ids for log lines and events even when
// nobody records the span.
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

// Start begins a span in the span of ctx. Without somebody who records it this costs nothing:
// ctx comes back as it was.
func Start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	tracer := TracerOf(ctx)
	if tracer == nil {
		return ctx, Span{} // before the options, which take memory
	}
	return start(ctx, tracer, name, trace.WithSpanKind(kind))
}

// Recording reports whether somebody records the span of ctx, so that a span within it has a
// place. It costs nothing.
func Recording(ctx context.Context) bool {
	return TracerOf(ctx) != nil && trace.SpanFromContext(ctx).IsRecording()
}

// Past is a span in the span of ctx of something that began at a time, and of which it is known
// only now that it is to be recorded.
func Past(ctx context.Context, name string, kind trace.SpanKind, began time.Time) Span {
	tracer := TracerOf(ctx)
	if tracer == nil {
		return Span{}
	}
	_, span := tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began))
	return recording(span)
}

// brief is how short a part is that explains nothing in an operation that was slow.
const brief = time.Millisecond

// Part is a part of an operation that is usually over before it is worth a span of its own. In
// an operation that is sampled it is a span like others. In one that is only recorded, in case it
// fails or is slow, it becomes a span afterwards, when it has failed or was not brief: that halves
// what it costs to be ready for a trace that in most operations nobody wants.
type Part struct {
	span  Span
	name  string
	began time.Time // zero when nobody records the operation, or the span is there already
}

// StartPart begins a part of the operation of ctx.
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

// Over is the span of the part, which is over with err: it is for the caller to end. ctx is as
// StartPart has returned it.
func (p Part) Over(ctx context.Context, err error) Span {
	if p.began.IsZero() || err == nil && time.Since(p.began) < brief {
		return p.span.Failed(err)
	}
	return Past(ctx, p.name, Internal, p.began).Failed(err)
}

// maxLinks bounds the links of a span, as the SDK's limit does.
const maxLinks = 128

// StartLinked is Start for work on events that others have caused: the span is linked to the
// span of each event, which its W3C traceparent names. Many events may have one.
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

// Traceparent is the W3C traceparent of ctx, or "".
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
