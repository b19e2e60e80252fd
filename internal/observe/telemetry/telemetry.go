// Package telemetry sends the spans and metrics that package observe records to where the environment
// says. It is separate from observe so that only programs that send something carry OpenTelemetry's SDK.
// OTLP, which links gRPC and protocol buffers, is another package of its own.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
	xrayids "go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/xray"
)

// scope names this program's instrumentation.
const scope = "gakushoku"

// The variables are those of OpenTelemetry's specification.
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envTracesExporter = "OTEL_TRACES_EXPORTER"
	envServiceName    = "OTEL_SERVICE_NAME"

	envMetricsExporter = "OTEL_METRICS_EXPORTER"

	toConsole, toXRay = "console", "xray" // values of OTEL_TRACES_EXPORTER
)

// SpanExporters create exporters, by the values of OTEL_TRACES_EXPORTER.
type SpanExporters map[string]func(context.Context) (sdktrace.SpanExporter, error)

// Options say what is sent where.
type Options struct {
	Function string              // which part of the system this process is, as in its log lines
	Getenv   func(string) string // reads the environment
	Platform resource.Detector   // describes where the process runs; may be nil
	Out      io.Writer           // where the exporter console writes
	Logger   zerolog.Logger      // logs what could not be sent
	More     SpanExporters       // exporters besides none, console and xray
	// Kept receives failed and slow traces, whatever is sent elsewhere; may be nil.
	Kept sdktrace.SpanExporter

	Metrics       MetricReaders // readers of metrics besides none
	MetricsUnsaid string        // which of them is used if the environment names none
}

// Telemetry sends what a process records. The zero value and nil send nothing and cost nothing. It is
// safe for concurrent use.
type Telemetry struct {
	spans   *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
	metrics *observe.Metrics
	sinks   []observe.Lossy
}

// Open reads the environment and starts to send. An unknown value is an error: otherwise an operator
// who asked for traces would notice too late that there are none.
func Open(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{}
	if o.Getenv(envDisabled) == "true" {
		return t, nil
	}
	about, err := describe(ctx, o)
	if err != nil {
		return t, err
	}
	// The SDK reports what it cannot send to one handler per process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn().Err(err).Msg("telemetry:not-sent") }))
	if err := t.openTraces(ctx, o, about); err != nil {
		return t, err
	}
	if err := t.openMetrics(ctx, o, about); err != nil {
		return &Telemetry{}, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

func (t *Telemetry) openTraces(ctx context.Context, o Options, about *resource.Resource) error {
	slow, err := slowOf(o.Getenv)
	if err != nil {
		return err
	}
	sampler, processors, err := t.sendingSpans(ctx, o)
	if err != nil {
		return err
	}
	if slow > 0 {
		sampler = RecordAll(sampler)
		for i := range processors {
			processors[i] = NewKeeper(processors[i], slow)
		}
		if o.Kept != nil {
			file := newBounded("spans", o.Kept, o.Logger, sdktrace.WithBatchTimeout(keptDelay))
			t.sinks = append(t.sinks, file.sent)
			processors = append(processors, NewKeeper(file, slow).only())
		}
	}
	if len(processors) == 0 {
		return nil
	}
	if o.Getenv(envTracesExporter) == toConsole {
		processors = append(processors, correlating{})
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithSampler(sampler), sdktrace.WithResource(about)}
	if o.Getenv(envTracesExporter) == toXRay {
		options = append(options, sdktrace.WithIDGenerator(xrayids.NewIDGenerator()))
	}
	for _, p := range processors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	t.spans = sdktrace.NewTracerProvider(options...)
	return nil
}

// keptDelay is how long a kept span may take until it can be read.
const keptDelay = time.Second

// sendingSpans returns what sends spans to where the environment says, and the sampler of these spans.
// If the environment names no exporter, callers' sampling decisions are only passed on.
func (t *Telemetry) sendingSpans(ctx context.Context, o Options) (sdktrace.Sampler, []sdktrace.SpanProcessor, error) {
	exporter, err := spanExporter(ctx, o)
	if err != nil || exporter == nil {
		return parentBased(sdktrace.NeverSample()), nil, err
	}
	sampler, err := samplerOf(o.Getenv)
	if err != nil {
		return nil, nil, errors.Join(err, exporter.Shutdown(ctx))
	}
	sending := newBounded("traces", exporter, o.Logger)
	t.sinks = append(t.sinks, sending.sent)
	return sampler, []sdktrace.SpanProcessor{sending}, nil
}

// spanExporter returns the exporter that OTEL_TRACES_EXPORTER names, nil for none.
func spanExporter(ctx context.Context, o Options) (sdktrace.SpanExporter, error) {
	name := o.Getenv(envTracesExporter)
	switch name {
	case "", "none":
		return nil, nil
	case toConsole:
		return console(o.Out)
	case toXRay:
		address, onLambda := o.Getenv("AWS_XRAY_DAEMON_ADDRESS"), o.Getenv("AWS_LAMBDA_FUNCTION_NAME") != ""
		if onLambda && address == "" {
			return nil, nil // an emulator: Lambda itself always sets the daemon's address
		}
		return xray.New(xray.Options{
			Address: address, OnLambda: onLambda,
			Invocation: func() string { return o.Getenv("_X_AMZN_TRACE_ID") },
		})
	}
	more, ok := o.More[name]
	if !ok {
		return nil, fmt.Errorf("%s is %q, which this program does not support: use none, console or xray, or otlp with the server", envTracesExporter, name)
	}
	exporter, err := more(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", envTracesExporter, name, err)
	}
	return exporter, nil
}

// ServiceName returns the service's name in the environment, or the default.
func ServiceName(getenv func(string) string) string {
	if name := getenv(envServiceName); name != "" {
		return name
	}
	return scope
}

// describe returns the attributes of the process that go with each span. The SDK's own detectors
// look for many more, which would slow down a cold start.
func describe(ctx context.Context, o Options) (*resource.Resource, error) {
	own := []attribute.KeyValue{attribute.String("service.namespace", scope), attribute.String("gakushoku.function", o.Function)}
	if o.Platform != nil {
		found, err := o.Platform.Detect(ctx)
		if err != nil {
			return nil, fmt.Errorf("detecting the platform: %w", err)
		}
		own = append(own, found.Attributes()...)
	}
	return resource.New(ctx, resource.WithAttributes(own...), resource.WithFromEnv(), resource.WithAttributes(attribute.String("service.name", ServiceName(o.Getenv))))
}

// Tracer returns the tracer of the spans that are sent, nil if none are.
func (t *Telemetry) Tracer() trace.Tracer {
	if t == nil || t.spans == nil {
		return nil
	}
	return t.spans.Tracer(scope)
}

// Metrics returns the meters that are sent, nil if none are.
func (t *Telemetry) Metrics() *observe.Metrics {
	if t == nil {
		return nil
	}
	return t.metrics
}

// MeterProvider returns a provider for other instrumentation. It measures nothing if metrics are not sent.
func (t *Telemetry) MeterProvider() metric.MeterProvider {
	if t == nil || t.meters == nil {
		return noop.NewMeterProvider()
	}
	return t.meters
}

// Sinks returns where telemetry goes, each with a count of what was lost on the way.
func (t *Telemetry) Sinks() []observe.Lossy {
	if t == nil {
		return nil
	}
	return t.sinks
}

// Flush sends what is queued. A Lambda function flushes at the end of each invocation, since it may be
// frozen for hours after that.
func (t *Telemetry) Flush(ctx context.Context) error {
	var errs []error
	if t != nil && t.meters != nil {
		errs = append(errs, t.meters.ForceFlush(ctx))
	}
	if t != nil && t.spans != nil {
		errs = append(errs, t.spans.ForceFlush(ctx))
	}
	return errors.Join(errs...)
}

// Close sends what is queued and shuts down. It sends metrics and spans concurrently, so that one that
// uses up all the time does not hold back the other.
func (t *Telemetry) Close(ctx context.Context) error {
	var metrics, spans error
	var closing sync.WaitGroup
	if t != nil && t.meters != nil {
		closing.Go(func() { metrics = t.meters.Shutdown(ctx) })
	}
	if t != nil && t.spans != nil {
		closing.Go(func() { spans = t.spans.Shutdown(ctx) })
	}
	closing.Wait()
	return errors.Join(metrics, spans)
}
