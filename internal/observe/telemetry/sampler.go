package telemetry

import (
	"fmt"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	envSampler    = "OTEL_TRACES_SAMPLER"
	envSamplerArg = "OTEL_TRACES_SAMPLER_ARG"
)

// samplerOf is what OTEL_TRACES_SAMPLER names; parentbased_always_on when it is not set.
func samplerOf(getenv func(string) string) (sdktrace.Sampler, error) {
	ratio := 1.0
	if arg := getenv(envSamplerArg); arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("%s is %q: it must be a part from 0 to 1, such as 0.05", envSamplerArg, arg)
		}
	}
	switch name := getenv(envSampler); name {
	case "", "parentbased_always_on":
		return parentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return parentBased(sdktrace.NeverSample()), nil
	case "parentbased_traceidratio":
		return parentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio), nil
	default:
		return nil, fmt.Errorf("%s is %q: use always_on, always_off, traceidratio, or one of these with parentbased_ before it", envSampler, name)
	}
}

// parentBased does as a span's parent, and as root does when there is none. On Lambda the parent
// of a batch is its invocation, which X-Ray has decided on without knowing what is in the batch:
// that decision does not keep back what a sampled request has caused.
func parentBased(root sdktrace.Sampler) sdktrace.Sampler {
	return sdktrace.ParentBased(linked{root}, sdktrace.WithRemoteParentNotSampled(linked{sdktrace.NeverSample()}))
}

// linked samples a span that is linked to a sampled one: what comes of an event is seen whenever
// the request that made it is.
type linked struct{ otherwise sdktrace.Sampler }

// ShouldSample is sdktrace.Sampler.
func (s linked) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	for _, link := range p.Links {
		if link.SpanContext.IsSampled() {
			return sdktrace.AlwaysSample().ShouldSample(p)
		}
	}
	return s.otherwise.ShouldSample(p)
}

// Description is sdktrace.Sampler.
func (s linked) Description() string { return "Linked{" + s.otherwise.Description() + "}" }
