package lambdas

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/contrib/detectors/aws/lambda"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/observe/telemetry/emf"
	"gakushoku/internal/operate/hoststats"
	"gakushoku/internal/store/awstrace"
)

// openTelemetry exports what a function records. By default, metrics are written to out as log lines; the
// environment can change that.
func openTelemetry(ctx context.Context, function string, getenv func(string) string, out io.Writer, logger zerolog.Logger) (*telemetry.Telemetry, error) {
	lines := func(context.Context) (sdkmetric.Reader, error) {
		return emf.New(emf.Options{
			Namespace: getenv(emf.EnvNamespace), Service: telemetry.ServiceName(getenv), Function: function, Out: out, Now: time.Now, Fields: lambdaevent.Fields,
		}), nil
	}
	var platform resource.Detector
	if os.Getenv("AWS_LAMBDA_FUNCTION_NAME") != "" {
		platform = lambda.NewResourceDetector()
	}
	sent, err := telemetry.Open(ctx, telemetry.Options{
		Function: function, Platform: platform, Getenv: getenv, Out: out, Logger: logger,
		Metrics: telemetry.MetricReaders{emf.Name: lines}, MetricsUnsaid: emf.Name,
	})
	if err != nil {
		return sent, err
	}
	watcher := hoststats.Watch(os.TempDir()) // the only disk of a function
	return sent, sent.Metrics().Watch(func(context.Context) observe.Vitals { return watcher.Look() })
}

// Observed records and measures the invocations of a handler. It sends the records before the invocation
// ends, even by a panic: the process may be frozen or ended right after that.
func Observed[In, Out any](t *telemetry.Telemetry, handle Handler[In, Out]) Handler[In, Out] {
	var coldStart sync.Once
	return func(ctx context.Context, in In) (Out, error) {
		defer t.Flush(ctx) //nolint:errcheck // the SDK logs the error; a response without its trace is still valid
		coldStart.Do(func() { t.Metrics().ColdStarted(ctx) })
		if tracer := t.Tracer(); tracer != nil {
			ctx = awstrace.WithBudget(observe.WithTracer(ctx, tracer))
		}
		return handle(observe.WithMetrics(ctx, t.Metrics()), in)
	}
}
