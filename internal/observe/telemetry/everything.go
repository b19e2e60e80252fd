package telemetry

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// everything stands before a Keeper and shows it each span as one that the sampler did not want,
// so that exactly what failed or was slow goes on, and nothing else that was sampled.
type everything struct{ keeper *Keeper }

// OnStart is sdktrace.SpanProcessor.
func (e everything) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	if s.SpanContext().IsSampled() {
		s = begun{s}
	}
	e.keeper.OnStart(ctx, s)
}

// OnEnd is sdktrace.SpanProcessor.
func (e everything) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		s = ended{s}
	}
	e.keeper.OnEnd(s)
}

// Shutdown is sdktrace.SpanProcessor.
func (e everything) Shutdown(ctx context.Context) error { return e.keeper.Shutdown(ctx) }

// ForceFlush is sdktrace.SpanProcessor.
func (e everything) ForceFlush(ctx context.Context) error { return e.keeper.ForceFlush(ctx) }

// begun is a span under way that says it is not sampled.
type begun struct{ sdktrace.ReadWriteSpan }

// SpanContext is sdktrace.ReadOnlySpan.
func (s begun) SpanContext() trace.SpanContext { return unsampled(s.ReadWriteSpan.SpanContext()) }

// ended is a span that is over and says it was not sampled.
type ended struct{ sdktrace.ReadOnlySpan }

// SpanContext is sdktrace.ReadOnlySpan.
func (s ended) SpanContext() trace.SpanContext { return unsampled(s.ReadOnlySpan.SpanContext()) }

func unsampled(c trace.SpanContext) trace.SpanContext {
	return c.WithTraceFlags(c.TraceFlags().WithSampled(false))
}
