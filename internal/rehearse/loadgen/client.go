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
	url  string
	http *http.Client
}

// Line is a dish of an order.
type Line struct {
	Product   string `json:"product"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unitPrice"`
}

// Menu lists the dishes that guests order.
var Menu = []Line{{"katsu curry", 1, 680}, {"miso ramen", 1, 620}, {"onigiri", 2, 140}, {"kitsune udon", 1, 450}, {"karaage don", 1, 580}}

// NewClient returns a client of the server at url.
func NewClient(url string) *Client {
	return &Client{url: url, http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
}

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
	var o Order
	correlationID, err := c.post(ctx, "/orders/"+id+"/pay", "pay-"+id, map[string]any{"paymentMethod": "CARD"}, &o)
	return o, correlationID, err
}

// Work takes a step of the kitchen: prepare, ready or pickup.
func (c *Client) Work(ctx context.Context, id, step string) (Order, error) {
	var o Order
	_, err := c.post(ctx, "/orders/"+id+"/"+step, step+"-"+id, nil, &o)
	return o, err
}

// Order returns an order at minVersion or later; 0 returns the row as it is.
func (c *Client) Order(ctx context.Context, id string, minVersion uint64) (Order, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/orders/"+id, nil)
	if err != nil {
		return Order{}, err
	}
	if minVersion > 0 {
		r.Header.Set("If-Min-Version", strconv.FormatUint(minVersion, 10))
	}
	var o Order
	_, err = c.do(r, &o)
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
	var content io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, content)
	if err != nil {
		return "", err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Idempotency-Key", key)
	return c.do(r, answer)
}

// Get sends a query.
func (c *Client) Get(ctx context.Context, path string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	_, err = c.do(r, answer)
	return err
}

func (c *Client) do(r *http.Request, answer any) (correlationID string, err error) {
	response, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	correlationID = response.Header.Get(observe.HeaderCorrelationID)
	if response.StatusCode >= 300 {
		return correlationID, fmt.Errorf("%s %s: status %d: %s", r.Method, r.URL.Path, response.StatusCode, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return correlationID, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return correlationID, nil
}
