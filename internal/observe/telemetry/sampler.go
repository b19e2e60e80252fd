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

// samplerOf returns the sampler that OTEL_TRACES_SAMPLER names; parentbased_always_on if it is unset.
func samplerOf(getenv func(string) string) (sdktrace.Sampler, error) {
	ratio := 1.0
	if arg := getenv(envSamplerArg); arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("%s is %q: it must be a ratio from 0 to 1, such as 0.05", envSamplerArg, arg)
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

// parentBased samples like a span's parent, and like root if there is none. On Lambda the parent of a
// batch is its invocation, about which X-Ray decides without knowing the batch: that decision does not
// suppress what a sampled request has caused.
func parentBased(root sdktrace.Sampler) sdktrace.Sampler {
	return sdktrace.ParentBased(linked{root}, sdktrace.WithRemoteParentNotSampled(linked{sdktrace.NeverSample()}))
}

// linked samples a span that is linked to a sampled one: the processing of an event is traced whenever
// the request that appended it was.
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
