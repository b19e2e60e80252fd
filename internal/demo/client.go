package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"gakushoku/internal/observe"
)

// client is a guest's app: it speaks HTTP and nothing else.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string) *client {
	return &client{url: url, http: &http.Client{Timeout: 10 * time.Second}}
}

// post sends a command and returns its correlation id.
func (c *client) post(ctx context.Context, path, key string, body, answer any) (correlationID string, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(encoded))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	return c.do(r, answer)
}

// get asks a query.
func (c *client) get(ctx context.Context, path string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	_, err = c.do(r, answer)
	return err
}

func (c *client) do(r *http.Request, answer any) (string, error) {
	response, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	if response.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s: status %d: %s", r.Method, r.URL.Path, response.StatusCode, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return "", fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return response.Header.Get(observe.HeaderCorrelationID), nil
}

// order is an order as the interface answers it.
type order struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	Total   int64  `json:"total"`
	Version uint64 `json:"version"`
}

// status asks for one order's status in the read model.
func (c *client) status(ctx context.Context, id string) (order, error) {
	var o order
	err := c.get(ctx, "/orders/"+id, &o)
	return o, err
}
