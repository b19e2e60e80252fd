package observe

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/fault"
)

// The attributes of spans and metrics. Those that OpenTelemetry defines have its names.
const (
	AttrCommand    = "gakushoku.command"
	AttrStream     = "gakushoku.stream"
	AttrVersion    = "gakushoku.version"
	AttrProjection = "gakushoku.projection"
	AttrProcess    = "gakushoku.process"
	AttrRun        = "gakushoku.run_id"
	AttrEvents     = "gakushoku.events"
	AttrNumber     = "gakushoku.event_number"
	AttrRepeated   = "gakushoku.repeated"
	AttrResult     = "gakushoku.result"
	AttrStep       = "gakushoku.step"
	AttrCached     = "gakushoku.cached"
	AttrSink       = "gakushoku.sink"
	AttrSystem     = "gakushoku.system" // a system of others
	AttrCall       = "gakushoku.call"   // one of its operations
	AttrKept       = "gakushoku.kept"   // why a trace was kept regardless of the sampler
	AttrErrorClass = "error.type"       // the class of an error, the HTTP status, or the code of a service

	AttrThrottled    = "gakushoku.throttled_attempts" // how often a service throttled one call
	AttrReasons      = "gakushoku.reasons"            // codes with which a service explains its refusal
	AttrCallsLeftOut = "gakushoku.calls_left_out"     // on the last recorded call: there may be more
)

// The values of AttrKept, on the root of a trace.
const (
	KeptFailed = "failed" // by the infrastructure or a bug
	KeptSlow   = "slow"
)

// OpenTelemetry's kinds of spans: a request served here, a call of another system, the processing of
// events from elsewhere, or none of these.
const (
	Server   = trace.SpanKindServer
	Client   = trace.SpanKindClient
	Consumer = trace.SpanKindConsumer
	Internal = trace.SpanKindInternal
)

// Span is a part of an operation. The zero value is not recorded: its methods do nothing and cost
// nothing.
type Span struct{ span trace.Span }

func recording(span trace.Span) Span {
	if span.IsRecording() {
		return Span{span}
	}
	return Span{}
}

// Recorded reports whether the span is recorded.
func (s Span) Recorded() bool { return s.span != nil }

// Rename changes the name of the span.
func (s Span) Rename(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Set sets several attributes at once, which costs less than one by one.
func (s Span) Set(all ...attribute.KeyValue) Span {
	if s.span != nil {
		s.span.SetAttributes(all...)
	}
	return s
}

// Str sets a string attribute.
func (s Span) Str(key, value string) Span {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
	return s
}

// Int sets an integer attribute.
func (s Span) Int(key string, value int) Span {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
	return s
}

// Bool sets a boolean attribute.
func (s Span) Bool(key string, value bool) Span {
	if s.span != nil {
		s.span.SetAttributes(attribute.Bool(key, value))
	}
	return s
}

// Failed records err, if it is not nil. A refusal by the rules does not make the span a failed one; its
// code is recorded.
func (s Span) Failed(err error) Span {
	if s.span == nil || err == nil {
		return s
	}
	class := fault.ClassOf(err)
	s.span.SetAttributes(attribute.String(AttrErrorClass, string(class)))
	var refusal fault.DomainError
	if class == fault.Domain {
		if errors.As(err, &refusal) {
			s.span.SetAttributes(attribute.String("gakushoku.code", refusal.DomainCode()))
		}
		return s
	}
	s.span.RecordError(err)
	s.span.SetStatus(codes.Error, string(class))
	return s
}

// FailedAs records a failure by its code only.
func (s Span) FailedAs(code string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(AttrErrorClass, code))
		s.span.SetStatus(codes.Error, code)
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}
