// Package lambdaevent translates between the events of AWS Lambda and the system. API Gateway's events
// become requests to the net/http handler that the embedded server also uses. Records of a DynamoDB stream
// become events for the projector and the archiver. The package contains no rules of the canteen, only the
// formats of AWS.
package lambdaevent

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-xray-sdk-go/v2/header"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/propagation"

	"gakushoku/internal/observe"
)

// margin is reserved at the end of an invocation for responding that the time was too short: a function
// that is cut off does not respond.
const margin = 500 * time.Millisecond

// Invoked returns the Lambda handler that calls handle in the context of each invocation, which ends shortly
// before the function is cut off. Its log lines have the fields of the invocation, under the names that users
// of Powertools know.
func Invoked[In, Out any](handle func(context.Context, In) (Out, error), logger zerolog.Logger) func(context.Context, In) (Out, error) {
	var warm atomic.Bool
	return func(ctx context.Context, in In) (Out, error) {
		ctx, cancel := begin(ctx, logger.With().Bool("cold_start", !warm.Swap(true)))
		defer cancel()
		return handle(ctx, in)
	}
}

func begin(ctx context.Context, fields zerolog.Context) (context.Context, context.CancelFunc) {
	known := Fields(ctx)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		fields = fields.Str(name, known[name])
	}
	ctx = withTrace(observe.WithLogger(ctx, fields.Logger()))
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-margin))
	}
	return context.WithCancel(ctx)
}

// Fields returns the fields of an invocation for log lines: its request id and its X-Ray trace.
func Fields(ctx context.Context) map[string]string {
	fields := map[string]string{}
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		fields["function_request_id"] = lc.AwsRequestID
	}
	if root := header.FromString(traceHeader(ctx)).TraceID; root != "" {
		fields["xray_trace_id"] = root
	}
	return fields
}

// traceHeader returns the X-Ray trace header of the invocation, which Lambda's runtime puts into the
// context under this name.
func traceHeader(ctx context.Context) string {
	header, _ := ctx.Value("x-amzn-trace-id").(string)
	return header
}

// withTrace returns a context in the X-Ray trace of the invocation, so that trace_id in log lines and
// the trace in X-Ray are the same.
func withTrace(ctx context.Context) context.Context {
	return xray.Propagator{}.Extract(ctx, propagation.MapCarrier{xray.Propagator{}.Fields()[0]: traceHeader(ctx)})
}
