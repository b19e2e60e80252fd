// Package wake has Lambda run the process function without waiting for it. A wake-up may be lost: the function's
// schedule finds what is due too.
package wake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// limit bounds one request, which holds the projector up.
const limit = time.Second

// Waker wakes a function, at most once in a while. It is safe for concurrent use.
type Waker struct {
	AWS      aws.Config
	Function string        // its name
	Every    time.Duration // the least time between two wake-ups
	Now      func() time.Time

	mu   sync.Mutex
	last time.Time
}

// Due wakes the function, unless it was woken a moment ago: then it has not looked yet. If that fails, it only logs
// the failure. It is the Due of a projection.Projector.
func (w *Waker) Due(ctx context.Context, process string) {
	if !w.turn() {
		return
	}
	line := observe.Logger(ctx).Debug()
	if err := w.invoke(ctx); err != nil {
		line = observe.Logger(ctx).Warn().Err(err).Str(observe.FieldErrorClass, string(fault.Infra))
	}
	line.Str(observe.FieldProcess, process).Msg("process:wake")
}

func (w *Waker) turn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	if now.Sub(w.last) < w.Every {
		return false
	}
	w.last = now
	return true
}

// invoke sends the request Invoke of Lambda, with the type Event. The SDK's client of Lambda would be a large part
// of the projector for this one request.
func (w *Waker) invoke(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address(), bytes.NewReader(lambdaevent.Woken))
	if err != nil {
		return fmt.Errorf("invoking %s: %w", w.Function, err)
	}
	r.Header.Set("X-Amz-Invocation-Type", "Event")
	credentials, err := w.AWS.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("invoking %s: %w", w.Function, err)
	}
	sum := sha256.Sum256(lambdaevent.Woken)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "lambda", w.AWS.Region, w.Now()); err != nil {
		return fmt.Errorf("signing the request that invokes %s: %w", w.Function, err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("invoking %s: %w", w.Function, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		why, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return fmt.Errorf("invoking %s: %s: %s", w.Function, response.Status, why)
	}
	return nil
}

// address returns the address of the function's invocations.
func (w *Waker) address() string {
	endpoint := "https://lambda." + w.AWS.Region + ".amazonaws.com"
	if strings.HasPrefix(w.AWS.Region, "cn-") {
		endpoint += ".cn"
	}
	if w.AWS.BaseEndpoint != nil {
		endpoint = strings.TrimSuffix(*w.AWS.BaseEndpoint, "/")
	}
	return endpoint + "/2015-03-31/functions/" + url.PathEscape(w.Function) + "/invocations"
}
