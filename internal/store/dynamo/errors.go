package dynamo

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"gakushoku/internal/store/awsfault"
)

// wrap adds to err what was being done, and marks retryable errors.
func wrap(ctx context.Context, doing string, err error) error {
	return awsfault.Wrap(ctx, doing, err)
}

// missing reports whether err says that the table does not exist.
func missing(err error) bool {
	return awsfault.HasCode(err, "ResourceNotFoundException")
}

// tooLarge reports whether the store refused an item or a transaction for its size. There is no code for
// that, only the text.
func tooLarge(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationException" && sizeText(api.ErrorMessage())
}

func sizeText(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "item size") || strings.Contains(message, "size has exceeded") ||
		strings.Contains(message, "size exceeds") || strings.Contains(message, "too large")
}

// The codes that give the reason of a cancelled transaction, item by item.
const (
	reasonCondition  = "ConditionalCheckFailed"
	reasonConflict   = "TransactionConflict"
	reasonValidation = "ValidationError"
)

// busyReason reports whether a transaction was cancelled for a temporary reason.
func busyReason(code string) bool {
	switch code {
	case reasonConflict, "ProvisionedThroughputExceeded", "ThrottlingError", "RequestLimitExceeded":
		return true
	}
	return false
}
