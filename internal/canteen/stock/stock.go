// Package stock holds the rules of the portions of one product on one business day. Portions are set, reserved
// for an order, then sold or released. Free portions are never below zero: those that are set are always the
// sum of free, reserved and sold ones. A day's stream ends with the day, so it is bounded.
package stock

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/event"
)

// The bounds of numbers of portions.
const (
	MaxPortions = 100_000
	MaxQuantity = 50_000 // of one order
)

// State is what the rules know about the stock of a product on a day. The zero State is unlimited: nobody has
// set how many portions there are.
type State struct {
	StockID  string `json:"stockId"`
	Limited  bool   `json:"limited"`
	Portions int64  `json:"portions"` // set for the day, if limited
	Reserved int64  `json:"reserved"` // portions set aside for orders that are not paid yet
	Sold     int64  `json:"sold"`
	Orders   Memory `json:"orders"`
}

// Free returns how many portions can still be reserved, if the stock is limited.
func (s State) Free() int64 { return s.Portions - s.Reserved - s.Sold }

// ID returns the id of the stock of a product on a day, such as 2026-01-24-curry.
func ID(day, productID string) string { return day + "-" + productID }

// Stream returns the name of the stream of a product on a day.
func Stream(day, productID string) string { return kind.Stream(ID(day, productID)) }

// Split returns the day and the product of an id.
func Split(id string) (businessDay, productID string, err error) {
	if len(id) < day.Len+2 || id[day.Len] != '-' {
		return "", "", fmt.Errorf("%.100q is not a day and a product, such as 2026-01-24-curry", id)
	}
	businessDay, productID = id[:day.Len], id[day.Len+1:]
	return businessDay, productID, cmp.Or(day.Check(businessDay), menu.CheckID(productID))
}

// Evolve applies one event to a state.
func Evolve(s State, e *event.Event) (State, error) {
	payload, err := event.DecodePayload(e)
	if err != nil {
		return s, err
	}
	next := s
	switch p := payload.(type) {
	case Set:
		next.StockID, next.Limited, next.Portions = strings.Clone(p.StockID), true, p.Portions
	case Reserved:
		next, err = s.reserved(p)
	case Sold:
		next, err = s.sold(p)
	case Released:
		next, err = s.released(p)
	default:
		err = fmt.Errorf("%w %q", event.ErrUnknownType, e.Type)
	}
	if err == nil && next.Limited && next.Free() < 0 {
		err = errors.New("there are fewer portions than are reserved and sold")
	}
	if err != nil {
		return s, fmt.Errorf("stock %s: %s: %w", s.StockID, e.Type, err)
	}
	return next, nil
}

func (s State) reserved(p Reserved) (State, error) {
	if was := s.Orders.Of(p.OrderID); was.Phase != "" {
		return s, fmt.Errorf("order %s was %s before", p.OrderID, was.Phase)
	}
	s.StockID = strings.Clone(p.StockID)
	s.Reserved += p.Quantity
	s.Orders = s.Orders.With(Entry{OrderID: strings.Clone(p.OrderID), Quantity: p.Quantity, Phase: PhaseReserved})
	return s, nil
}

func (s State) sold(p Sold) (State, error) {
	was := s.Orders.Of(p.OrderID)
	if was.Phase != PhaseReserved || was.Quantity != p.Quantity {
		return s, fmt.Errorf("order %s has %d portions %q, not %d reserved", p.OrderID, was.Quantity, was.Phase, p.Quantity)
	}
	s.Reserved, s.Sold = s.Reserved-p.Quantity, s.Sold+p.Quantity
	was.Phase = PhaseSold
	s.Orders = s.Orders.With(was)
	return s, nil
}

func (s State) released(p Released) (State, error) {
	was := s.Orders.Of(p.OrderID)
	if was.Phase == PhaseReleased || p.Reserved+p.Sold != was.Quantity ||
		p.Reserved > 0 && was.Phase != PhaseReserved || p.Sold > 0 && was.Phase != PhaseSold {
		return s, fmt.Errorf("order %s has %d portions %q, not %d reserved and %d sold", p.OrderID, was.Quantity, was.Phase, p.Reserved, p.Sold)
	}
	s.StockID = strings.Clone(p.StockID)
	s.Reserved, s.Sold = s.Reserved-p.Reserved, s.Sold-p.Sold
	s.Orders = s.Orders.With(Entry{OrderID: strings.Clone(p.OrderID), Phase: PhaseReleased})
	return s, nil
}
