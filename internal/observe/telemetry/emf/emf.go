// Package emf writes the measurements of each Lambda invocation as lines in CloudWatch's embedded metric
// format, from which CloudWatch creates metrics without an API call or an agent. They are log lines like
// others, with the message "metrics".
//
// # Accuracy of percentiles
//
// A value measured once per invocation, such as the duration of a request or a command, is written
// exactly. Several values are counted in an exponential histogram of 640 buckets and written as the
// middle of their bucket: off by at most 1.1 % if the largest is a million times the smallest, by less
// if they are closer. The smallest and the largest are exact. Of more than 1000 values, 1000 evenly
// spaced ones are written: percentiles stay within 0.05 % of the ranks, but the sample count is 1000.
// Only events reach such numbers in one invocation, and counters count them exactly.
package emf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Name is the value of OTEL_METRICS_EXPORTER that selects this package.
const Name = "emf"

// EnvNamespace is the environment variable with the namespace of the metrics.
const EnvNamespace = "METRICS_NAMESPACE"

// DefaultNamespace is used if the environment has no namespace.
const DefaultNamespace = "gakushoku"

// buckets is the maximum of a histogram.
const buckets = 640

// Options describe the process of the lines.
type Options struct {
	Namespace string    // of the metrics; "" is DefaultNamespace
	Service   string    // the dimension service
	Function  string    // the dimension function, and the field of log lines
	Out       io.Writer // receives each line in one Write
	Now       func() time.Time
	// Fields returns other fields of an invocation's lines, such as its request id. They do not become
	// dimensions. It may be nil.
	Fields func(context.Context) map[string]string
}

// Reader is an sdkmetric.Reader. Whenever its provider is flushed, it writes what was measured since the
// last flush. It is safe for concurrent use.
type Reader struct {
	*sdkmetric.ManualReader
	options Options
	mu      sync.Mutex // keeps the lines of one flush together
}

// New returns a reader. It writes nothing before the first flush.
func New(o Options) *Reader {
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	return &Reader{options: o, ManualReader: sdkmetric.NewManualReader(
		sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality }),
		sdkmetric.WithAggregationSelector(func(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
			if kind == sdkmetric.InstrumentKindHistogram {
				return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: buckets, MaxScale: 20}
			}
			return sdkmetric.DefaultAggregationSelector(kind)
		}),
	)}
}

// ForceFlush writes what was measured, if anything was. It ignores the end of ctx: an invocation that ran
// out of time must be seen.
func (r *Reader) ForceFlush(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	var all metricdata.ResourceMetrics
	if err := r.Collect(ctx, &all); err != nil {
		return fmt.Errorf("collecting the metrics: %w", err)
	}
	var errs []error
	for _, l := range r.lines(ctx, all) {
		encoded, err := l.encode(r.options)
		if err == nil {
			_, err = r.options.Out.Write(append(encoded, '\n'))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Shutdown writes what was measured and closes the reader.
func (r *Reader) Shutdown(ctx context.Context) error {
	return errors.Join(r.ForceFlush(ctx), r.ManualReader.Shutdown(ctx))
}
