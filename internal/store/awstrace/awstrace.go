// Package awstrace records calls of AWS services as spans, by OpenTelemetry's conventions for clients of
// AWS: service and operation, table or bucket, attempts, outcome. It does not record keys and values.
//
// The tracer is that of the context. A call is recorded if it is made within a recorded span. Only clients
// of processes that trace should have the middleware, since the SDK builds its stack for each call.
package awstrace

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/awsfault"
)

// The values of error.type for errors that do not come from a service.
const (
	errorCanceled = "canceled"
	errorTimeout  = "timeout"
	errorNoAnswer = "no_answer"
)

// Service describes the calls of a service.
type Service struct {
	// Names returns what a call is about, such as its table, but never its content.
	Names func(input any) []attribute.KeyValue
	// Reasons returns the codes with which the service explains an error. It may be nil.
	Reasons func(err error) []string
}

// Record is an option (APIOptions) of the SDK's clients that records their calls.
func (s Service) Record(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("RecordCall", s.call), middleware.After)
}

func (s Service) call(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	if !observe.Recording(ctx) {
		return next.HandleInitialize(ctx, in)
	}
	began := time.Now()
	out, metadata, err := next.HandleInitialize(ctx, in)
	s.record(ctx, in.Parameters, began, metadata, err)
	return out, metadata, err
}

// record creates the span of a finished call. Only then is it known whether one of very many calls is
// worth recording.
func (s Service) record(ctx context.Context, input any, began time.Time, metadata middleware.Metadata, err error) {
	var attempts []retry.AttemptResult
	if all, ok := retry.GetAttemptResults(metadata); ok {
		attempts = all.Results
	}
	code, failed := outcome(ctx, err)
	wanted, last := budgetOf(ctx).take(failed || len(attempts) > 1 || time.Since(began) > observe.Slow)
	if !wanted {
		return
	}
	service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	span := observe.Past(ctx, service+"."+operation, observe.Client, began)
	defer span.End()
	if !span.Recorded() {
		return
	}
	noted := append(s.Names(input), attribute.String("rpc.system.name", "aws-api"), attribute.String("rpc.method", service+"/"+operation),
		attribute.String("cloud.region", awsmiddleware.GetRegion(ctx)))
	if response, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok && response.StatusCode > 0 {
		noted = append(noted, attribute.Int("http.response.status_code", response.StatusCode))
	}
	if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
		noted = append(noted, attribute.String("aws.request_id", id))
	}
	if len(attempts) > 1 {
		noted = append(noted, attribute.Int("http.request.resend_count", len(attempts)-1))
	}
	if n := s.throttled(attempts); n > 0 {
		noted = append(noted, attribute.Int(observe.AttrThrottled, n))
	}
	if code != "" {
		noted = append(noted, attribute.String("rpc.response.status_code", code))
	}
	if reasons := s.reasons(err); len(reasons) > 0 {
		noted = append(noted, attribute.StringSlice(observe.AttrReasons, reasons))
	}
	if last {
		noted = append(noted, attribute.Bool(observe.AttrCallsLeftOut, true))
	}
	span.Set(noted...)
	if failed {
		span.FailedAs(code)
	}
}

// outcome returns the error code of a call, "" if it succeeded, and whether it failed. A refusal by the
// service (a condition did not hold, an object does not exist) is not a failure here: the caller knows
// whether it is one, and records that on its own span.
func outcome(ctx context.Context, err error) (code string, failed bool) {
	if err == nil {
		return "", false
	}
	failed = fault.ClassOf(awsfault.Wrap(ctx, "", err)) == fault.Infra
	var api smithy.APIError
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &api):
		return api.ErrorCode(), failed
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return errorTimeout, failed
	case errors.Is(err, context.Canceled):
		return errorCanceled, failed
	}
	return errorNoAnswer, true
}

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// throttleReasons are the reasons that mean throttling. They differ from the codes of errors.
var throttleReasons = []string{"ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}

// throttled returns how many attempts the service throttled.
func (s Service) throttled(attempts []retry.AttemptResult) int {
	n := 0
	for i := range attempts {
		err := attempts[i].Err
		if err == nil {
			continue
		}
		if throttles.IsErrorThrottle(err) == aws.TrueTernary ||
			slices.ContainsFunc(s.reasons(err), func(r string) bool { return slices.Contains(throttleReasons, r) }) {
			n++
		}
	}
	return n
}

func (s Service) reasons(err error) []string {
	if err == nil || s.Reasons == nil {
		return nil
	}
	return s.Reasons(err)
}
