package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// recordOnly is a sampler of spans that are recorded, for whoever decides about them later.
type recordOnly struct{ sdktrace.Sampler }

func (recordOnly) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
}

func TestAPartIsASpanWhenItTellsSomething(t *testing.T) {
	t.Parallel()
	failure := errors.New("no space left")
	for _, test := range []struct {
		name    string
		sampler sdktrace.Sampler
		began   time.Duration // before now
		err     error
		want    bool
	}{
		{"sampled", sdktrace.AlwaysSample(), 0, nil, true},
		{"sampled and failed", sdktrace.AlwaysSample(), 0, failure, true},
		{"recorded only, brief", recordOnly{}, -time.Hour, nil, false},
		{"recorded only, not brief", recordOnly{}, time.Second, nil, true},
		{"recorded only, brief and failed", recordOnly{}, -time.Hour, failure, true},
		{"not recorded", sdktrace.NeverSample(), time.Second, failure, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(test.sampler), sdktrace.WithSpanProcessor(recorder))
			ctx, whole := Start(WithTracer(t.Context(), provider.Tracer("test")), "whole", Internal)
			inner, part := StartPart(ctx, "part")
			if !part.began.IsZero() {
				part.began = time.Now().Add(-test.began)
			}
			part.Over(inner, test.err).Int(AttrEvents, 2).End()
			ended := recorder.Ended()
			if len(ended) != 1 && test.want || len(ended) != 0 && !test.want {
				t.Fatalf("%d spans have ended", len(ended))
			}
			whole.End()
			if !test.want {
				return
			}
			span := ended[0]
			if span.Name() != "part" || span.Parent().SpanID() != whole.span.SpanContext().SpanID() {
				t.Errorf("the span is %q in %s", span.Name(), span.Parent().SpanID())
			}
			if took := span.EndTime().Sub(span.StartTime()); took < test.began {
				t.Errorf("it took %s, not %s", took, test.began)
			}
			if failed := span.Status().Description != ""; failed != (test.err != nil) {
				t.Errorf("its status is %+v", span.Status())
			}
		})
	}
}

func TestAPartOfNothingIsNothing(t *testing.T) {
	t.Parallel()
	ctx, part := StartPart(context.Background(), "part")
	if ctx != context.Background() || part.Over(ctx, errors.New("failed")).Recorded() {
		t.Error("a part is recorded though nobody records")
	}
}
