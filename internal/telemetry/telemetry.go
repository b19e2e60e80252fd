// Package telemetry sends the spans that package observe records to where the environment says.
// It is apart from observe so that only programs which send something carry OpenTelemetry's SDK,
// and OTLP, which brings gRPC and protocol buffers along, is yet a package of its own.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/telemetry/xray"
)

// scope is the name of this program's instrumentation.
const scope = "gakushoku"

// The names of OpenTelemetry's specification.
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envTracesExporter = "OTEL_TRACES_EXPORTER"
	envServiceName    = "OTEL_SERVICE_NAME"
)

// SpanExporters makes exporters by the names that OTEL_TRACES_EXPORTER may have.
type SpanExporters map[string]func(context.Context) (sdktrace.SpanExporter, error)

// Options say what is sent where.
type Options struct {
	Function string              // which part of the system this process is, as in its log lines
	Getenv   func(string) string // of the environment
	Out      io.Writer           // where the exporter console writes
	Logger   zerolog.Logger      // hears of what could not be sent
	More     SpanExporters       // what this program can do besides none, console and xray
}

// Telemetry sends what a process records. The zero value, and nil, send nothing and cost
// nothing. It is safe for concurrent use.
type Telemetry struct {
	spans *sdktrace.TracerProvider
}

// Open reads the environment and starts to send. A value that it does not know is an error: who
// asks for traces and gets none would notice too late.
func Open(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{}
	if o.Getenv(envDisabled) == "true" {
		return t, nil
	}
	exporter, err := spanExporter(ctx, o)
	if err != nil || exporter == nil {
		return t, err
	}
	sampler, err := samplerOf(o.Getenv)
	if err != nil {
		return t, errors.Join(err, exporter.Shutdown(ctx))
	}
	about, err := describe(ctx, o)
	if err != nil {
		return t, errors.Join(err, exporter.Shutdown(ctx))
	}
	// What the SDK cannot send it tells one function of the process, whatever there is.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn().Err(err).Msg("telemetry:not-sent") }))
	t.spans = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sampler), sdktrace.WithResource(about))
	return t, nil
}

// spanExporter is what OTEL_TRACES_EXPORTER names, nil for none.
func spanExporter(ctx context.Context, o Options) (sdktrace.SpanExporter, error) {
	name := o.Getenv(envTracesExporter)
	switch name {
	case "", "none":
		return nil, nil
	case "console":
		return stdouttrace.New(stdouttrace.WithWriter(o.Out))
	case "xray":
		return xray.New(xray.Options{
			Address: o.Getenv("AWS_XRAY_DAEMON_ADDRESS"), OnLambda: o.Getenv("AWS_LAMBDA_FUNCTION_NAME") != "",
			Invocation: func() string { return o.Getenv("_X_AMZN_TRACE_ID") },
		})
	}
	more, ok := o.More[name]
	if !ok {
		return nil, fmt.Errorf("%s is %q, which this program cannot do: use none, console or xray, or otlp with the server", envTracesExporter, name)
	}
	exporter, err := more(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", envTracesExporter, name, err)
	}
	return exporter, nil
}

// describe is what is said of the process with each span. The SDK's own detectors look for much
// more, and cost a cold start.
func describe(ctx context.Context, o Options) (*resource.Resource, error) {
	service := o.Getenv(envServiceName)
	if service == "" {
		service = scope
	}
	return resource.New(ctx, resource.WithAttributes(attribute.String("service.namespace", scope), attribute.String("gakushoku.function", o.Function)),
		resource.WithFromEnv(), resource.WithAttributes(attribute.String("service.name", service)))
}

// Tracer records what is sent; nil when nothing is.
func (t *Telemetry) Tracer() trace.Tracer {
	if t == nil || t.spans == nil {
		return nil
	}
	return t.spans.Tracer(scope)
}

// Flush sends what is waiting. A Lambda function does so at the end of each invocation, since
// it may be frozen for hours after that.
func (t *Telemetry) Flush(ctx context.Context) error {
	if t == nil || t.spans == nil {
		return nil
	}
	return t.spans.ForceFlush(ctx)
}

// Close sends what is waiting and ends.
func (t *Telemetry) Close(ctx context.Context) error {
	if t == nil || t.spans == nil {
		return nil
	}
	return t.spans.Shutdown(ctx)
}
