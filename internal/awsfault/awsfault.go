// Package awsfault sorts the errors of AWS's services by who has to act on them, for every
// adapter that calls one: what says "slow down" or may succeed later is marked with
// fault.Unavailable, so that callers try again, and everything else is a defect or a setting
// that somebody has to correct.
package awsfault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
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
var conflicts = map[string]bool{"TransactionConflictException": true, "OperationAborted": true, "ConditionalRequestConflict": true}

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
	if Status(err) >= http.StatusInternalServerError {
		return true
	}
	var api smithy.APIError
	return errors.As(err, &api) && conflicts[api.ErrorCode()]
}

// HasCode reports whether a service answered with one of these codes, whichever service it was.
func HasCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

// Status is the HTTP status of the answer that err is about, 0 when there was none.
func Status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
