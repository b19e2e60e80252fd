// Package otlp sends spans and metrics by OTLP over HTTP, to a collector. It is a package of its
// own since it links gRPC and protocol buffers, which the Lambda functions do not carry.
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

// Name is the value of OTEL_TRACES_EXPORTER and of OTEL_METRICS_EXPORTER that this package
// answers to.
const Name = "otlp"

// Spans are the exporters of this package. Where to, and with which headers, the usual
// variables say: OTEL_EXPORTER_OTLP_ENDPOINT and the others.
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

// Metrics send every minute, or as often as OTEL_METRIC_EXPORT_INTERVAL says in milliseconds.
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

// collector is where OpenTelemetry's specification looks for one that nobody has named. Go's
// exporters look there by HTTPS, which no collector speaks out of its box.
const collector = "http://localhost:4318"

// check looks at what the exporters would pass over in silence: a protocol that they do not
// speak, and an endpoint that is no URL. It reports whether nobody has named an endpoint.
func check(signal string) (unsaid bool, err error) {
	const all = "OTEL_EXPORTER_OTLP_"
	if protocol := cmp.Or(os.Getenv(all+signal+"_PROTOCOL"), os.Getenv(all+"PROTOCOL"), spoken); protocol != spoken {
		return false, fmt.Errorf("%sPROTOCOL is %q: this program speaks %s, for which collectors have port 4318", all, protocol, spoken)
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

// spoken is the one protocol of the exporters here.
const spoken = "http/protobuf"
