package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// kept is a span that is passed on although it was not sampled, or a root with the reason.
type kept struct {
	sdktrace.ReadOnlySpan
	reason string // "" unless it is a root
}

// SpanContext marks the span as sampled: batchers and exporters ignore others.
func (s kept) SpanContext() trace.SpanContext {
	c := s.ReadOnlySpan.SpanContext()
	return c.WithTraceFlags(c.TraceFlags().WithSampled(true))
}

// Attributes returns those of the span and the reason.
func (s kept) Attributes() []attribute.KeyValue {
	own := s.ReadOnlySpan.Attributes()
	if s.reason == "" {
		return own
	}
	return append(slices.Clip(own), attribute.String(observe.AttrKept, s.reason))
}

// keep returns a span as it is passed on; l is its local trace.
func (k *Keeper) keep(s sdktrace.ReadOnlySpan, l *local) sdktrace.ReadOnlySpan {
	if l.root != s.SpanContext().SpanID() {
		return kept{s, ""}
	}
	return kept{s, k.reason(s)}
}

// reason returns why a root is kept, "" if it is not. Refusals by the rules and mistakes of the caller
// are not failures.
func (k *Keeper) reason(s sdktrace.ReadOnlySpan) string {
	switch {
	case failed(s):
		return observe.KeptFailed
	case s.EndTime().Sub(s.StartTime()) > k.slow:
		return observe.KeptSlow
	}
	return ""
}

func failed(s sdktrace.ReadOnlySpan) bool {
	if s.Status().Code == codes.Error {
		return true
	}
	return slices.ContainsFunc(s.Attributes(), func(a attribute.KeyValue) bool {
		return a.Key == observe.AttrErrorClass && a.Value.AsString() != string(fault.Domain)
	})
}

// isRoot reports whether a span is the outermost of its trace in this process.
func isRoot(s sdktrace.ReadOnlySpan) bool { return !s.Parent().IsValid() || s.Parent().IsRemote() }
