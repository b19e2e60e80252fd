// Package emf writes what was measured in one invocation of a Lambda function as lines in
// CloudWatch's embedded metric format, from which CloudWatch makes metrics: no call of AWS
// and no agent is needed. The lines are log lines like the others, with the message "metrics".
//
// # What the percentiles are worth
//
// A value that was measured alone in its invocation, as a request and a command are, is in the
// line as it was measured. Several are counted in an exponential histogram of 640 buckets, and
// the line has the middle of a value's bucket for the value: off by at most 1.1 % when the
// largest is a million times the smallest, by less when they are closer together. The smallest
// and the largest are exact. Of more than 1000 values, 1000 are written that stand evenly among
// them: percentiles stay what they are to 0.05 % of the ranks, but the sample count is then
// 1000. Only events have such numbers in one invocation, and counters count those exactly.
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

// Name is the value of OTEL_METRICS_EXPORTER that this package answers to.
const Name = "emf"

// EnvNamespace is the environment variable that names the metrics' namespace.
const EnvNamespace = "METRICS_NAMESPACE"

// DefaultNamespace is the namespace when the environment names none.
const DefaultNamespace = "gakushoku"

// buckets is the most that a histogram has.
const buckets = 640

// Options say what the lines tell of their process.
type Options struct {
	Namespace string    // of the metrics; "" is DefaultNamespace
	Service   string    // the dimension service
	Function  string    // the dimension function, and the field of log lines
	Out       io.Writer // gets the lines; each comes in one Write
	Now       func() time.Time
	// Fields are what else the lines of an invocation say, such as its request id; may be nil. None
	// of them becomes a dimension.
	Fields func(context.Context) map[string]string
}

// Reader is an sdkmetric.Reader that writes what was measured since it last wrote, whenever its
// provider is flushed. It is safe for concurrent use.
type Reader struct {
	*sdkmetric.ManualReader
	options Options
	mu      sync.Mutex // keeps the lines of one flush together
}

// New makes a reader. Nothing is written before it is flushed.
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

// ForceFlush writes what was measured. Nothing is written when nothing was. That ctx has ended
// does not matter: an invocation that ran out of time is one to know about.
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

// Shutdown writes what was measured and ends the reader.
func (r *Reader) Shutdown(ctx context.Context) error {
	return errors.Join(r.ForceFlush(ctx), r.ManualReader.Shutdown(ctx))
}
