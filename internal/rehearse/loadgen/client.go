// Package loadgen plays the guests of the canteen and their app: it orders, pays and queries over HTTP, and
// checks every response. The demo and the drills use it.
package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Client is a guest's app. It only uses HTTP.
type Client struct {
	URL  string
	http *http.Client
}

// NewClient returns a client of the server at url, which waits at most limit for a response.
func NewClient(url string, limit time.Duration) *Client {
	return &Client{URL: url, http: &http.Client{Timeout: limit, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
}

// Patience is how long a guest waits for a response of a server nearby.
const Patience = 10 * time.Second

// Order is an order as the API returns it.
type Order struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	Total   int64  `json:"total"`
	Version uint64 `json:"version"`
}

// Place places an order of one dish.
func (c *Client) Place(ctx context.Context, id string, dish Line) (Order, error) {
	var o Order
	_, err := c.post(ctx, "/orders", "place-"+id, map[string]any{"orderId": id, "lines": []Line{dish}}, &o)
	return o, err
}

// Pay pays an order by card. It returns the correlation id that the app shows, also with an error.
func (c *Client) Pay(ctx context.Context, id string) (Order, string, error) {
	return c.pay(ctx, id, "CARD")
}

func (c *Client) pay(ctx context.Context, id, method string) (Order, string, error) {
	var o Order
	correlationID, err := c.post(ctx, "/orders/"+id+"/pay", "pay-"+id, map[string]any{"paymentMethod": method}, &o)
	return o, correlationID, err
}

// Work takes a step of the kitchen: prepare, ready or pickup.
func (c *Client) Work(ctx context.Context, id, step string) (Order, error) {
	var o Order
	_, err := c.post(ctx, "/orders/"+id+"/"+step, step+"-"+id, nil, &o)
	return o, err
}

// Order returns an order at minVersion or later; 0 returns the row as it is.
func (c *Client) Order(ctx context.Context, id string, minVersion uint64) (o Order, err error) {
	headers := map[string]string{}
	if minVersion > 0 {
		headers["If-Min-Version"] = strconv.FormatUint(minVersion, 10)
	}
	_, err = c.Send(ctx, http.MethodGet, "/orders/"+id, headers, nil, &o)
	return o, err
}

// List returns all orders with a status, by id.
func (c *Client) List(ctx context.Context, status string) (map[string]Order, error) {
	all := map[string]Order{}
	for cursor := ""; ; {
		var page struct {
			Orders []Order `json:"orders"`
			Next   string  `json:"next"`
		}
		query := url.Values{"status": {status}, "limit": {"100"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if err := c.Get(ctx, "/orders?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		for _, o := range page.Orders {
			all[o.OrderID] = o
		}
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// Shown waits until the row of an order has a status. The read model, and the version of it that a
// server knows as active, are a moment behind.
func (c *Client) Shown(ctx context.Context, id, status string) error {
	var last Order
	for range 500 {
		o, err := c.Order(ctx, id, 0)
		if last = o; err == nil && o.Status == status {
			return nil
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("order %s is shown as %q, not %s", id, last.Status, status)
}

// post sends a command and returns its correlation id.
func (c *Client) post(ctx context.Context, path, key string, body, answer any) (correlationID string, err error) {
	return c.Send(ctx, http.MethodPost, path, map[string]string{"Idempotency-Key": key}, body, answer)
}

// Get sends a query.
func (c *Client) Get(ctx context.Context, path string, answer any) error {
	_, err := c.Send(ctx, http.MethodGet, path, nil, nil, answer)
	return err
}

// Refusal is a response other than success.
type Refusal struct {
	Status  int
	request string
	body    []byte
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: status %d: %.500s", r.request, r.Status, r.body)
}

// Send sends a request with a JSON body, nil for none, and decodes the response into answer. It returns the
// correlation id that the app shows, also with a *Refusal.
func (c *Client) Send(ctx context.Context, method, path string, headers map[string]string, body, answer any) (correlationID string, err error) {
	var content io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.URL+path, content)
	if err != nil {
		return "", err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return c.do(r, answer)
}

func (c *Client) do(r *http.Request, answer any) (correlationID string, err error) {
	response, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	request := r.Method + " " + r.URL.RequestURI()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("%s: %w", request, err)
	}
	correlationID = response.Header.Get(observe.HeaderCorrelationID)
	if response.StatusCode >= http.StatusMultipleChoices {
		return correlationID, &Refusal{response.StatusCode, request, body}
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return correlationID, fmt.Errorf("%s: %w in %.500s", request, err, body)
	}
	return correlationID, nil
}
