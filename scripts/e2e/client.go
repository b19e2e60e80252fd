package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/loadgen"
)

// requestLimit is how long a request may take: an emulator may have to start a container.
const requestLimit = 60 * time.Second

// client sends requests as a client app does, and records everything that a guest would complain about.
type client struct {
	app *loadgen.Client

	mu         sync.Mutex
	sent       map[string]int // by kind of request
	took       []time.Duration
	complaints []string
}

func newClient(base string) *client {
	return &client{app: loadgen.NewClient(base, requestLimit), sent: map[string]int{}}
}

// complain records a failure.
func (c *client) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complaints = append(c.complaints, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// command sends a command that must succeed, within the caller's span if there is one, given by a W3C
// traceparent.
func (c *client) command(ctx context.Context, path, correlationID, traceparent string, body any) (loadgen.Order, bool) {
	headers := map[string]string{"Idempotency-Key": observe.NewID(), observe.HeaderCorrelationID: correlationID}
	if traceparent != "" {
		headers["traceparent"] = traceparent
	}
	return watched(ctx, c, http.MethodPost, func() (o loadgen.Order, err error) {
		_, err = c.app.Send(ctx, http.MethodPost, path, headers, body, &o)
		return o, err
	})
}

// order reads an order as of minVersion or later; 0 accepts any version.
func (c *client) order(ctx context.Context, id string, minVersion uint64) (loadgen.Order, bool) {
	return watched(ctx, c, http.MethodGet, func() (loadgen.Order, error) { return c.app.Order(ctx, id, minVersion) })
}

// ask sends a query that must succeed.
func ask[T any](ctx context.Context, c *client, path string) (T, bool) {
	return watched(ctx, c, http.MethodGet, func() (found T, err error) { return found, c.app.Get(ctx, path, &found) })
}

// watched sends a request that must succeed. It returns false if the request failed, and records the failure
// unless ctx had ended.
func watched[T any](ctx context.Context, c *client, method string, send func() (T, error)) (T, bool) {
	started := time.Now()
	answer, err := send()
	took := time.Since(started)
	if ctx.Err() != nil {
		return answer, false
	}
	c.mu.Lock()
	c.sent[method]++
	c.took = append(c.took, took)
	c.mu.Unlock()
	if err != nil {
		c.complain("%v after %s", err, took.Round(time.Millisecond))
	}
	return answer, err == nil
}

// summary returns the number of requests and how long they took.
func (c *client) summary() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.took) == 0 {
		return "no requests"
	}
	at := func(p float64) time.Duration { return loadgen.Percentile(c.took, p).Round(time.Millisecond) }
	return fmt.Sprintf("%d commands and %d queries, median %s, p95 %s, slowest %s", c.sent[http.MethodPost], c.sent[http.MethodGet], at(50), at(95), at(100))
}

// complained returns the complaints so far.
func (c *client) complained() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.complaints)
}
