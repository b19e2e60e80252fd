package dynamo

import (
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/store/awsfault"
)

// Limits of one SDK call: a caller waits a few seconds at most for a busy or silent table, then gets an
// unavailable error.
const (
	maxAttempts    = 4
	maxBackoff     = 500 * time.Millisecond
	attemptTimeout = 5 * time.Second
	idleConns      = 64
)

// Bounded sets the standard retryer with few attempts and a time limit for each. Pass it to dynamodb.New or
// NewFromConfig; it keeps an HTTP client that a later option sets.
func Bounded(o *dynamodb.Options) {
	o.Retryer = awsfault.Retryer(maxAttempts, maxBackoff)
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConns, idleConns
	})
}

// attempts counts how often the calls of one write were sent.
type attempts struct{ awsfault.Attempts }

func (a *attempts) count(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, a.Count) }

// untokened keeps the SDK from adding a client request token to a transaction. Not every emulator honours
// tokens, so a repeated call must recognize its own writes anyway; without tokens that is tested everywhere.
func untokened(o *dynamodb.Options) { o.IdempotencyTokenProvider = nil }
