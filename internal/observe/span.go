package observe

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/fault"
)

// The attributes of spans and metrics that OpenTelemetry has no convention for. What has one
// is called by that.
const (
	AttrCommand    = "gakushoku.command"
	AttrStream     = "gakushoku.stream"
	AttrVersion    = "gakushoku.version"
	AttrProjection = "gakushoku.projection"
	AttrRun        = "gakushoku.run_id"
	AttrEvents     = "gakushoku.events"
	AttrNumber     = "gakushoku.event_number"
	AttrRepeated   = "gakushoku.repeated"
	AttrResult     = "gakushoku.result"
	AttrStep       = "gakushoku.step"
	AttrCached     = "gakushoku.cached"
	AttrSink       = "gakushoku.sink"
	AttrKept       = "gakushoku.kept" // why a trace was kept whatever the sampler said
	AttrErrorClass = "error.type"     // the class of an error, the HTTP status, or the code of a service

	AttrThrottled    = "gakushoku.throttled_attempts" // how often a service has said "slow down" to one call
	AttrReasons      = "gakushoku.reasons"            // codes by which a service explains its refusal
	AttrCallsLeftOut = "gakushoku.calls_left_out"     // on the last call that is recorded: there may be more
)

// The values of AttrKept, on the root of a trace.
const (
	KeptFailed = "failed" // by the infrastructure or a bug
	KeptSlow   = "slow"
)

// What a span is to the outside, in OpenTelemetry's words: a request that is answered here, a
// call of another system, work on events that others have made, or none of these.
const (
	Server   = trace.SpanKindServer
	Client   = trace.SpanKindClient
	Consumer = trace.SpanKindConsumer
	Internal = trace.SpanKindInternal
)

// Span is a part of an operation that somebody records. The zero value is one that nobody
// records: its methods do nothing and cost nothing.
type Span struct{ span trace.Span }

func recording(span trace.Span) Span {
	if span.IsRecording() {
		return Span{span}
	}
	return Span{}
}

// Recorded reports whether somebody records the span.
func (s Span) Recorded() bool { return s.span != nil }

// Rename gives the span the name that was not known when it began.
func (s Span) Rename(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Set notes several things at once, which costs less than one after the other.
func (s Span) Set(all ...attribute.KeyValue) Span {
	if s.span != nil {
		s.span.SetAttributes(all...)
	}
	return s
}

// Str notes a text.
func (s Span) Str(key, value string) Span {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
	return s
}

// Int notes a number.
func (s Span) Int(key string, value int) Span {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
	return s
}

// Bool notes whether something is so.
func (s Span) Bool(key string, value bool) Span {
	if s.span != nil {
		s.span.SetAttributes(attribute.Bool(key, value))
	}
	return s
}

// Failed notes an error, if there is one. A refusal by the rules is an outcome and makes no
// failed span of it; its code is noted.
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

// FailedAs notes a failure of which there is a code. What else the error says is left out.
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
