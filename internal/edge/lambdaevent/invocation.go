// Package lambdaevent translates between what AWS Lambda hands to a function and what the
// system is made of: API Gateway's events become requests to the same net/http handler that
// the embedded server has, records of a DynamoDB stream become events for the projector and
// for the archiver. No rule of the canteen is here, only the shapes that AWS has given things.
package lambdaevent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// margin is kept back from the time that an invocation has, to answer that the time was not
// enough: a function that is cut off answers nothing.
const margin = 500 * time.Millisecond

// invocations makes the context of each invocation of a function. The zero value is ready.
type invocations struct{ warm atomic.Bool }

// begin is a context whose log lines carry what belongs to the invocation, under the names
// that users of Powertools know, and which ends a little before the function is cut off.
func (i *invocations) begin(ctx context.Context, logger zerolog.Logger) (context.Context, context.CancelFunc) {
	fields := logger.With().Bool("cold_start", !i.warm.Swap(true))
	known := Fields(ctx)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		fields = fields.Str(name, known[name])
	}
	ctx = observe.WithParent(observe.WithLogger(ctx, fields.Logger()), traceparent(ctx))
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-margin))
	}
	return context.WithCancel(ctx)
}

// Fields are what log lines say of an invocation: its request id and its trace in X-Ray.
func Fields(ctx context.Context) map[string]string {
	fields := map[string]string{}
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		fields["function_request_id"] = lc.AwsRequestID
	}
	if root := traceHeader(ctx)["Root"]; root != "" {
		fields["xray_trace_id"] = root
	}
	return fields
}

// traceHeader is the X-Ray trace header of the invocation, as its key=value parts. The
// runtime puts it into the context under this name.
func traceHeader(ctx context.Context) map[string]string {
	header, _ := ctx.Value("x-amzn-trace-id").(string)
	parts := map[string]string{}
	for part := range strings.SplitSeq(header, ";") {
		if key, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			parts[key] = value
		}
	}
	return parts
}

// traceparent is the X-Ray trace of the invocation as W3C writes it, so that trace_id in log
// lines and the trace in X-Ray are the same; "" when there is none. The reader checks it.
func traceparent(ctx context.Context) string {
	parts := traceHeader(ctx)
	root := strings.Split(parts["Root"], "-") // 1-<8 hex digits of time>-<24 hex digits>
	if len(root) != 3 || root[0] != "1" || parts["Parent"] == "" {
		return ""
	}
	flags := "00"
	if parts["Sampled"] == "1" {
		flags = "01"
	}
	return fmt.Sprintf("00-%s%s-%s-%s", root[1], root[2], parts["Parent"], flags)
}
