// Package awsfault sorts the errors of AWS's services by who has to act on them, for every
// adapter that calls one. Three kinds are marked with fault.Unavailable, so that callers try
// again: "slow down", what may succeed later, and a request whose outcome is unknown because no
// complete response came. Everything else is a defect or a setting that somebody has to correct.
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

// ThrottledFor is when a new try makes sense after a service itself has said that it is
// busy, and the SDK's retries have not been enough.
const ThrottledFor = time.Second

// throttles are the answers by which a service or the account says "slow down".
var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// retryables are what the SDK itself would have tried again: throttling, 5xx, broken
// connections, time limits.
var retryables = retry.IsErrorRetryables(retry.DefaultRetryables)

// conflicts are the codes by which a service says that another call is just now changing
// the same thing.
var conflicts = map[string]bool{"TransactionConflictException": true, "OperationAborted": true, "ConditionalRequestConflict": true, "ReplicatedWriteConflictException": true}

// Retryer is the SDK's standard retryer with so many attempts and so long a backoff at most. It
// also repeats requests whose outcome is unknown, which the SDK by itself does only when no
// response began. So a write may meet its own first attempt; every adapter recognises that.
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

// Attempts counts how often one call was sent: a call sent once cannot have met itself. The
// calls of one counter must follow each other.
type Attempts struct{ sent int }

// Repeated reports whether the call was sent more than once.
func (a *Attempts) Repeated() bool { return a.sent > 1 }

// Count is the API option of a client's call that is to be counted.
func (a *Attempts) Count(stack *middleware.Stack) error {
	counter := middleware.FinalizeMiddlewareFunc("CountAttempts", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		a.sent++
		return next.HandleFinalize(ctx, in)
	})
	return stack.Finalize.Insert(counter, "Retry", middleware.After)
}

// Wrap says what was being done, and marks what a new try may cure. A context that has ended
// comes back as it is: whatever the SDK made of it, that is what happened. It returns nil for
// nil.
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
	// The SDK does not retry a name that is not found or a connection that is refused for good;
	// for a caller the service is down all the same, and no defect of ours.
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

// passingStatuses are those below 500 by which a gateway or a proxy asks for another try.
var passingStatuses = map[int]bool{http.StatusRequestTimeout: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true}

// outcomeUnknown reports whether a response came that does not say what became of the request:
// it broke off, cannot be read, or is not the service's own.
func outcomeUnknown(err error) bool {
	status := Status(err)
	if status >= http.StatusInternalServerError || passingStatuses[status] {
		return true
	}
	var api smithy.APIError
	var unreadable *smithy.DeserializationError
	return !errors.As(err, &api) && (status > 0 && status < http.StatusBadRequest || errors.As(err, &unreadable))
}

// HasCode reports whether a service answered with one of these codes, whichever service it was.
func HasCode(err error, codes ...string) bool {
	code := Code(err)
	return code != "" && slices.Contains(codes, code)
}

// Code is what the service calls the error, "" when it was not the service that responded.
func Code(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}

// Status is the HTTP status of the answer that err is about, 0 when there was none.
func Status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
