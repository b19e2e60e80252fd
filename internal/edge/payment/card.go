package payment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"gakushoku/internal/observe"
)

// The limits of a call. A call that takes longer has an unknown outcome.
const (
	callTimeout = 5 * time.Second
	dialTimeout = 2 * time.Second
	maxAnswer   = 64 << 10 // bytes
	connections = 64
)

// Card is a provider of card payments over HTTP, as infra/payment-provider.md describes it. It is safe for
// concurrent use.
type Card struct {
	base   *url.URL
	secret string
	client *http.Client
}

var _ Provider = (*Card)(nil)

// NewCard returns a client of the provider at base, such as https://pay.example.com/v1. The secret, which may
// be "", is sent as a bearer token.
func NewCard(base, secret string) (*Card, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("the payment provider's address %q must be a URL such as https://pay.example.com, without user, query and fragment", base)
	}
	if secret != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("the payment provider's address %s must begin with https://, since its secret must not travel in the clear", base)
	}
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
	}
	return &Card{base: u, secret: secret, client: &http.Client{
		Transport: transport, Timeout: callTimeout,
		// A redirected POST would arrive as a GET, and a secret elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close closes idle connections.
func (c *Card) Close() { c.client.CloseIdleConnections() }

// amount is the body of calls about an amount.
type amount struct {
	Yen int64 `json:"yen"`
}

// Authorise implements Provider.
func (c *Card) Authorise(ctx context.Context, key string, yen int64) (Receipt, error) {
	return c.call(ctx, key, "/authorise", amount{yen}, key+"-authorise")
}

// Capture implements Provider.
func (c *Card) Capture(ctx context.Context, key string, yen int64) (Receipt, error) {
	return c.call(ctx, key, "/capture", amount{yen}, key+"-capture")
}

// Refund implements Provider.
func (c *Card) Refund(ctx context.Context, key, refund string, yen int64) (Receipt, error) {
	if !ValidKey(refund) {
		return Receipt{}, refuse(CodeInvalid, "%.140q cannot be the key of a refund", refund)
	}
	return c.call(ctx, key, "/refunds/"+refund, amount{yen}, refund)
}

// Void implements Provider.
func (c *Card) Void(ctx context.Context, key string) (Receipt, error) {
	return c.call(ctx, key, "/void", struct{}{}, key+"-void")
}

// Lookup implements Provider.
func (c *Card) Lookup(ctx context.Context, key string) (Receipt, error) {
	r, err := c.call(ctx, key, "", nil, "")
	if errors.Is(err, ErrUnknownOutcome) {
		err = Unavailable(causeOf(err), 0) // reading changes nothing, so nothing is unknown
	}
	return r, err
}

// call makes a call about a payment: a POST if there is a body, otherwise a GET.
func (c *Card) call(ctx context.Context, key, path string, body any, idempotencyKey string) (Receipt, error) {
	if !ValidKey(key) {
		return Receipt{}, refuse(CodeInvalid, "%.140q cannot be the key of a payment", key)
	}
	request, err := c.request(ctx, "payments/"+key+path, body, idempotencyKey)
	if err != nil {
		return Receipt{}, fmt.Errorf("calling the payment provider: %w", err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return Receipt{}, unanswered(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return Receipt{}, Unknown(fmt.Errorf("reading the answer: %w", err))
	}
	return answered(key, response, raw)
}

func (c *Card) request(ctx context.Context, path string, body any, idempotencyKey string) (*http.Request, error) {
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		method, content = http.MethodPost, bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(strings.Split(path, "/")...).String(), content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", idempotencyKey)
	}
	if c.secret != "" {
		r.Header.Set("Authorization", "Bearer "+c.secret)
	}
	if id := observe.CorrelationID(ctx); id != "" {
		r.Header.Set(observe.HeaderCorrelationID, id)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r, nil
}

// unanswered returns the error of a call without an answer. If there was no connection, the call did not
// happen.
func unanswered(err error) error {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return Unavailable(err, 0)
	}
	return Unknown(err)
}

// problem is the body of a refusal.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Reason string `json:"reason"`
}

// answer is an error that says what was answered. It holds no internals.
type answer string

func (a answer) Error() string { return string(a) }

// answered returns what an answer means.
func answered(key string, response *http.Response, raw []byte) (Receipt, error) {
	status := response.StatusCode
	switch {
	case len(raw) > maxAnswer:
		return Receipt{}, Unknown(fmt.Errorf("the answer %d is longer than %d bytes", status, maxAnswer))
	case status == http.StatusOK:
		return receiptIn(key, raw)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		seconds, _ := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
		return Receipt{}, Unavailable(answer(fmt.Sprintf("it answered %d", status)), time.Duration(seconds)*time.Second)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Receipt{}, Unavailable(answer(fmt.Sprintf("it answered %d: check the provider's secret", status)), 0)
	case status >= 400 && status < 500:
		return refusedIn(status, raw)
	}
	return Receipt{}, Unknown(answer(fmt.Sprintf("it answered %d", status)))
}

func receiptIn(key string, raw []byte) (Receipt, error) {
	var r Receipt
	if err := json.Unmarshal(raw, &r); err != nil {
		return Receipt{}, Unknown(fmt.Errorf("its answer is not a receipt: %w", err))
	}
	if r.Key != key {
		return Receipt{}, Unknown(fmt.Errorf("its answer is about payment %.140q, not %s", r.Key, key))
	}
	return r, nil
}

// refusedIn returns the refusal in an answer. An answer that is none of the provider's is from something
// between it and us, or from another program: then the call's outcome is unknown.
func refusedIn(status int, raw []byte) (Receipt, error) {
	var p problem
	if err := json.Unmarshal(raw, &p); err != nil || !strings.HasPrefix(p.Code, "payment/") {
		return Receipt{}, Unknown(answer(fmt.Sprintf("it answered %d without a code: is it the payment provider", status)))
	}
	if p.Code == CodeDeclined && !ValidKey(p.Reason) {
		p.Reason = "unspecified"
	}
	return Receipt{}, &Error{Code: p.Code, Detail: clip(p.Detail), Reason: p.Reason}
}

// clip bounds a text of others for log lines.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 300)], "") }
