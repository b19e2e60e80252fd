// Package otlp sends spans and metrics to a collector by OTLP over HTTP. It is separate since it links
// gRPC and protocol buffers, which the Lambda functions do not carry.
package otlp

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/observe/telemetry"
)

// Name is the value of OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER that selects this package.
const Name = "otlp"

// Spans returns the exporters of this package. OTEL_EXPORTER_OTLP_ENDPOINT and the other standard
// variables configure them.
func Spans() telemetry.SpanExporters {
	return telemetry.SpanExporters{Name: func(ctx context.Context) (sdktrace.SpanExporter, error) {
		unsaid, err := check("TRACES")
		if err != nil {
			return nil, err
		}
		if unsaid {
			return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(collector+"/v1/traces"))
		}
		return otlptracehttp.New(ctx)
	}}
}

// Metrics returns the readers of this package. They send every minute, or every
// OTEL_METRIC_EXPORT_INTERVAL milliseconds.
func Metrics() telemetry.MetricReaders {
	return telemetry.MetricReaders{Name: func(ctx context.Context) (sdkmetric.Reader, error) {
		unsaid, err := check("METRICS")
		if err != nil {
			return nil, err
		}
		var options []otlpmetrichttp.Option
		if unsaid {
			options = append(options, otlpmetrichttp.WithEndpointURL(collector+"/v1/metrics"))
		}
		exporter, err := otlpmetrichttp.New(ctx, options...)
		if err != nil {
			return nil, err
		}
		return telemetry.SendMetrics(exporter), nil
	}}
}

// collector is the default endpoint of OpenTelemetry's specification. Go's exporters would use HTTPS
// there, which no collector speaks by default.
const collector = "http://localhost:4318"

// check rejects what the exporters would silently ignore: a protocol that they do not speak, and an
// endpoint that is not a URL. It reports whether no endpoint is set.
func check(signal string) (unsaid bool, err error) {
	const all = "OTEL_EXPORTER_OTLP_"
	if protocol := cmp.Or(os.Getenv(all+signal+"_PROTOCOL"), os.Getenv(all+"PROTOCOL"), spoken); protocol != spoken {
		return false, fmt.Errorf("%sPROTOCOL is %q: this program supports only %s, for which collectors use port 4318", all, protocol, spoken)
	}
	unsaid = true
	for _, name := range []string{all + signal + "_ENDPOINT", all + "ENDPOINT"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		unsaid = false
		if to, err := url.Parse(value); err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
			return false, fmt.Errorf("%s is %q: it must be a URL such as %s", name, value, collector)
		}
	}
	return unsaid, nil
}

// spoken is the only protocol of these exporters.
const spoken = "http/protobuf"
