package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"gakushoku/internal/fault"
)

// throttledFor is when a new try makes sense after the store itself has said that it is
// busy, and the SDK's retries have not been enough.
const throttledFor = time.Second

// throttles are the answers by which the store or the account says "slow down".
var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// retryables are what the SDK itself would have tried again: throttling, 5xx, broken
// connections, time limits.
var retryables = retry.IsErrorRetryables(retry.DefaultRetryables)

// wrap says what was being done, and marks what a new try may cure. A context that has ended
// comes back as it is: whatever the SDK made of it, that is what happened.
func wrap(ctx context.Context, doing string, err error) error {
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
		return fault.UnavailableFor(err, throttledFor)
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
	// for a caller the store is down all the same, and no defect of ours.
	var unsent *smithyhttp.RequestSendError
	if errors.As(err, &unsent) {
		return true
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	var conflict *types.TransactionConflictException
	return errors.As(err, &conflict)
}

// hasCode reports whether a service answered with this code, whichever service it was.
func hasCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}

// missing reports whether err says that the table is not there.
func missing(err error) bool {
	return hasCode(err, "ResourceNotFoundException")
}

// tooLarge reports whether the store refused an item, or a transaction, for its size. There
// is no code for that, only the text.
func tooLarge(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationException" && sizeText(api.ErrorMessage())
}

func sizeText(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "item size") || strings.Contains(message, "size has exceeded") ||
		strings.Contains(message, "size exceeds") || strings.Contains(message, "too large")
}

// The codes by which a cancelled transaction explains itself, item by item.
const (
	reasonCondition  = "ConditionalCheckFailed"
	reasonConflict   = "TransactionConflict"
	reasonValidation = "ValidationError"
)

// busyReason reports whether a transaction was cancelled by something that passes.
func busyReason(code string) bool {
	switch code {
	case reasonConflict, "ProvisionedThroughputExceeded", "ThrottlingError", "RequestLimitExceeded":
		return true
	}
	return false
}
