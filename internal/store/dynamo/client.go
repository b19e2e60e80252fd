package dynamo

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/fault/wait"
	"gakushoku/internal/store/awsfault"
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
	o.Retryer = awsfault.Retryer(maxAttempts, maxBackoff)
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConns, idleConns
	})
}

// attempts counts how often the calls of one write were sent.
type attempts struct{ awsfault.Attempts }

func (a *attempts) count(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, a.Count) }

// untokened keeps the SDK from adding a client request token to a transaction. Not every
// emulator honours it, so a repeated call has to know its own writes anyway, and that is
// better tried everywhere than only where the token is ignored.
func untokened(o *dynamodb.Options) { o.IdempotencyTokenProvider = nil }

// pause waits a random time that doubles with each attempt ("full jitter"), from base up to
// limit, so that writers that met once do not meet again.
func pause(ctx context.Context, attempt int, base, limit time.Duration) error {
	return wait.For(ctx, rand.N(min(base<<min(attempt, 16), limit))+1)
}
