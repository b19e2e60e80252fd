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

// kept is a span that goes on though it was not sampled, or a root with the reason for it.
type kept struct {
	sdktrace.ReadOnlySpan
	reason string // "" for a span that is no root
}

// SpanContext says that the span is sampled: batchers and exporters take no other.
func (s kept) SpanContext() trace.SpanContext {
	c := s.ReadOnlySpan.SpanContext()
	return c.WithTraceFlags(c.TraceFlags().WithSampled(true))
}

// Attributes are those of the span and why it was kept.
func (s kept) Attributes() []attribute.KeyValue {
	own := s.ReadOnlySpan.Attributes()
	if s.reason == "" {
		return own
	}
	return append(slices.Clip(own), attribute.String(observe.AttrKept, s.reason))
}

// keep is a span as it goes on; l is its local trace.
func (k *Keeper) keep(s sdktrace.ReadOnlySpan, l *local) sdktrace.ReadOnlySpan {
	if l.root != s.SpanContext().SpanID() {
		return kept{s, ""}
	}
	return kept{s, k.reason(s)}
}

// reason is why a root is kept, "" when there is none. What the rules refuse, or the caller did
// wrong, is no failure.
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

// isRoot reports whether a span is the outermost one of its trace in this process.
func isRoot(s sdktrace.ReadOnlySpan) bool { return !s.Parent().IsValid() || s.Parent().IsRemote() }
