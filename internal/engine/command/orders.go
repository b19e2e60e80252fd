package command

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/observe"
)

// OrderResult is what came of an order's command.
type OrderResult = Result[order.State]

var orders = Decider[order.State, order.Command]{Decide: order.Decide, Evolve: order.Evolve}

// PlaceOrder places an order. Without an OrderID it gets one: made from the key when there
// is one, so that a repeated request finds the order it made the first time.
func (h *Handler) PlaceOrder(ctx context.Context, c order.PlaceOrder, key string) (OrderResult, error) {
	hash, err := Hash(c.CommandName(), c)
	if err != nil {
		return OrderResult{}, err
	}
	if c.OrderID == "" {
		c.OrderID = h.orderID(observe.CallerOf(ctx).Name, key)
	}
	return h.order(ctx, c.OrderID, c, key, hash)
}

// ChangeOrder carries out a command for an order that was placed before.
func (h *Handler) ChangeOrder(ctx context.Context, orderID string, c order.Command, key string) (OrderResult, error) {
	hash, err := Hash(c.CommandName(), c)
	if err != nil {
		return OrderResult{}, err
	}
	return h.order(ctx, orderID, c, key, hash)
}

func (h *Handler) order(ctx context.Context, orderID string, c order.Command, key, hash string) (OrderResult, error) {
	ctx = observe.WithOrderID(ctx, orderID)
	return Execute(ctx, h, orders, Request[order.Command]{
		Name: c.CommandName(), Stream: order.Stream(orderID), Command: c, ID: key, Hash: hash,
	})
}

// orderID makes an id for a new order. Keys of different callers do not meet: the caller is
// part of what the id is made of.
func (h *Handler) orderID(caller, key string) string {
	if key == "" {
		return h.NewID()
	}
	sum := sha256.Sum256([]byte(caller + "\x00" + key))
	return "K" + base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:25]
}

// Hash is a digest of a command as the client sent it: the same for every spelling of the
// same JSON. What the entrance adds, such as the time, is not part of it.
func Hash(name string, c any) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", name, err)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), body...))
	return hex.EncodeToString(sum[:16]), nil
}
