package dynamo

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"gakushoku/internal/wait"
)

// How one call of the SDK is bounded: a caller waits for a busy or silent table no longer
// than a few seconds, and then hears that it is unavailable.
const (
	maxAttempts    = 4
	maxBackoff     = 500 * time.Millisecond
	attemptTimeout = 5 * time.Second
	idleConns      = 64
)

// Bounded sets the standard retryer with few tries and a time limit for each. Pass it to
// dynamodb.New or NewFromConfig; an HTTP client set by an option after it is kept.
func Bounded(o *dynamodb.Options) {
	o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = maxAttempts
		r.MaxBackoff = maxBackoff
	})
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConns, idleConns
	})
}

// attempts counts how often one call was sent: a call sent once cannot have met itself.
type attempts struct{ sent int }

func (a *attempts) retried() bool { return a.sent > 1 }

// count is the option of a call that is to be counted. The calls of one counter must follow
// each other.
func (a *attempts) count(o *dynamodb.Options) {
	counter := middleware.FinalizeMiddlewareFunc("CountAttempts", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		a.sent++
		return next.HandleFinalize(ctx, in)
	})
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(counter, "Retry", middleware.After)
	})
}

// untokened keeps the SDK from adding a client request token to a transaction. Not every
// emulator honours it, so a repeated call has to know its own writes anyway, and that is
// better tried everywhere than only where the token is ignored.
func untokened(o *dynamodb.Options) { o.IdempotencyTokenProvider = nil }

// pause waits a random time that doubles with each attempt ("full jitter"), from base up to
// limit, so that writers that met once do not meet again.
func pause(ctx context.Context, attempt int, base, limit time.Duration) error {
	return wait.For(ctx, rand.N(min(base<<min(attempt, 16), limit))+1)
}
