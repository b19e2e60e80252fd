// Package awsfault classifies the errors of AWS services by who must act on them, for every adapter that
// calls one. It marks three kinds with fault.Unavailable, so that callers try again: throttling, temporary
// errors, and requests whose outcome is unknown because no complete response came. All other errors are
// defects or wrong settings that need a person.
package awsfault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"gakushoku/internal/fault"
)

// ThrottledFor is when a retry makes sense after a service has said that it is busy and the SDK's retries
// were not enough.
const ThrottledFor = time.Second

// throttles recognizes the responses by which a service or the account throttles.
var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// retryables recognizes what the SDK itself would have retried: throttling, 5xx, broken connections,
// timeouts.
var retryables = retry.IsErrorRetryables(retry.DefaultRetryables)

// conflicts are the codes by which a service says that another call is changing the same thing.
var conflicts = map[string]bool{"TransactionConflictException": true, "OperationAborted": true, "ConditionalRequestConflict": true, "ReplicatedWriteConflictException": true}

// Retryer returns the SDK's standard retryer with at most that many attempts and that long a backoff. It also
// repeats requests whose outcome is unknown, which the SDK by itself does only if no response began. A write
// may therefore find the result of its own first attempt; every adapter recognizes that.
func Retryer(attempts int, backoff time.Duration) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, backoff
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if outcomeUnknown(err) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})
}

// Attempts counts how often one call was sent: a call sent once cannot find its own result. The calls of one
// counter must not overlap.
type Attempts struct{ sent int }

// Repeated reports whether the call was sent more than once.
func (a *Attempts) Repeated() bool { return a.sent > 1 }

// Count is the API option for a client call that is to be counted.
func (a *Attempts) Count(stack *middleware.Stack) error {
	counter := middleware.FinalizeMiddlewareFunc("CountAttempts", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		a.sent++
		return next.HandleFinalize(ctx, in)
	})
	return stack.Finalize.Insert(counter, "Retry", middleware.After)
}

// Wrap adds to err what was being done, and marks retryable errors. If ctx has ended, it returns ctx's error
// unchanged, whatever the SDK made of it. It returns nil for nil.
func Wrap(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Unavailable(fmt.Errorf("%s: %w", doing, err))
	}
	err = fmt.Errorf("%s: %w", doing, err)
	switch {
	case throttles.IsErrorThrottle(err) == aws.TrueTernary:
		return fault.UnavailableFor(err, ThrottledFor)
	case isPassing(err):
		return fault.Unavailable(err)
	}
	return err
}

// isPassing reports whether the same call may succeed later.
func isPassing(err error) bool {
	if retryables.IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	// The SDK does not retry a name that is not found or a connection that is refused for good; for a caller
	// the service is still unavailable, and that is not a defect of ours.
	var unsent *smithyhttp.RequestSendError
	if errors.As(err, &unsent) {
		return true
	}
	if outcomeUnknown(err) {
		return true
	}
	var api smithy.APIError
	return errors.As(err, &api) && conflicts[api.ErrorCode()]
}

// passingStatuses are the statuses below 500 by which a gateway or a proxy asks for a retry.
var passingStatuses = map[int]bool{http.StatusRequestTimeout: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true}

// outcomeUnknown reports whether a response came that does not show the request's outcome: it broke off,
// cannot be read, or is not the service's own.
func outcomeUnknown(err error) bool {
	status := Status(err)
	if status >= http.StatusInternalServerError || passingStatuses[status] {
		return true
	}
	var api smithy.APIError
	var unreadable *smithy.DeserializationError
	return !errors.As(err, &api) && (status > 0 && status < http.StatusBadRequest || errors.As(err, &unreadable))
}

// HasCode reports whether a service, whichever it is, responded with one of these codes.
func HasCode(err error, codes ...string) bool {
	code := Code(err)
	return code != "" && slices.Contains(codes, code)
}

// Code returns the service's code for the error, "" if the error is not a service's response.
func Code(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}

// Status returns the HTTP status of the response that err is about, 0 if there was none.
func Status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
