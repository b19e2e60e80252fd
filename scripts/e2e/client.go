package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"gakushoku/internal/observe"
)

// requestLimit is how long a request may take: an emulator may have to start a container.
const requestLimit = 60 * time.Second

// client sends requests as a client app does, and records everything that a guest would complain about.
type client struct {
	base string
	http *http.Client

	mu         sync.Mutex
	sent       map[string]int // by kind of request
	took       []time.Duration
	complaints []string
}

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{Timeout: requestLimit}, sent: map[string]int{}}
}

// answer has the fields of a response that are checked.
type answer struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	Total   int64  `json:"total"`
	Version uint64 `json:"version"`
}

// complain records a failure.
func (c *client) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complaints = append(c.complaints, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// command sends a command that must succeed.
func (c *client) command(ctx context.Context, path, correlationID string, body any) (answer, bool) {
	return c.tracedCommand(ctx, path, correlationID, "", body)
}

// tracedCommand is command within the caller's span, given by a W3C traceparent; "" for none.
func (c *client) tracedCommand(ctx context.Context, path, correlationID, traceparent string, body any) (answer, bool) {
	raw, err := json.Marshal(body)
	if err != nil {
		c.complain("POST %s: %v", path, err)
		return answer{}, false
	}
	headers := map[string]string{"Content-Type": "application/json", "Idempotency-Key": observe.NewID(), observe.HeaderCorrelationID: correlationID}
	if traceparent != "" {
		headers["traceparent"] = traceparent
	}
	return send[answer](ctx, c, http.MethodPost, path, raw, headers)
}

// order reads an order as of minVersion or later; 0 accepts any version.
func (c *client) order(ctx context.Context, id string, minVersion uint64) (answer, bool) {
	headers := map[string]string{}
	if minVersion > 0 {
		headers["If-Min-Version"] = strconv.FormatUint(minVersion, 10)
	}
	return send[answer](ctx, c, http.MethodGet, "/orders/"+id, nil, headers)
}

// send sends a request that must succeed. It returns false if the request failed, and records the failure
// unless ctx had ended.
func send[T any](ctx context.Context, c *client, method, path string, body []byte, headers map[string]string) (T, bool) {
	var decoded T
	started := time.Now()
	status, raw, err := c.exchange(ctx, method, path, body, headers)
	took := time.Since(started)
	if ctx.Err() != nil {
		return decoded, false
	}
	c.mu.Lock()
	c.sent[method]++
	c.took = append(c.took, took)
	c.mu.Unlock()
	switch {
	case err != nil:
		c.complain("%s %s: %v after %s", method, path, err, took.Round(time.Millisecond))
	case status >= http.StatusMultipleChoices:
		c.complain("%s %s: %d after %s: %.500s", method, path, status, took.Round(time.Millisecond), raw)
	default:
		if err := json.Unmarshal(raw, &decoded); err != nil {
			c.complain("%s %s: %v in %.500s", method, path, err, raw)
			return decoded, false
		}
		return decoded, true
	}
	return decoded, false
}

func (c *client) exchange(ctx context.Context, method, path string, body []byte, headers map[string]string) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return response.StatusCode, raw, err
}

// summary returns the number of requests and how long they took.
func (c *client) summary() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := slices.Sorted(slices.Values(c.took))
	if len(took) == 0 {
		return "no requests"
	}
	return fmt.Sprintf("%d commands and %d queries, median %s, p95 %s, slowest %s", c.sent[http.MethodPost], c.sent[http.MethodGet],
		took[len(took)/2].Round(time.Millisecond), took[len(took)*95/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}

// complained returns the complaints so far.
func (c *client) complained() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.complaints)
}
