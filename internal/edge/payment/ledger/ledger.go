// Package ledger is a payment provider that keeps its own book: the core of the provider simulator, and by
// itself a provider in memory for tests and simulations.
package ledger

import (
	"context"
	"fmt"

	"gakushoku/internal/edge/payment"
)

// Book stores receipts by their payment's key.
type Book interface {
	// Change replaces the receipt of a key by what change makes of it, durably and as one step: of concurrent
	// changes one comes after the other. A key without a receipt has one with payment.StatusNone. An error of
	// change is returned as it is, and nothing is stored. Change returns the receipt stored last.
	Change(ctx context.Context, key string, change func(payment.Receipt) (payment.Receipt, error)) (payment.Receipt, error)
	// Receipt returns the receipt of a key.
	Receipt(ctx context.Context, key string) (payment.Receipt, error)
	// Each calls f with every receipt, by key, until f fails.
	Each(ctx context.Context, f func(payment.Receipt) error) error
}

// Ledger is a provider over a book.
type Ledger struct {
	Book Book
	// Declines returns the reason for which a new payment is declined, "" if it is not. It may be nil.
	Declines func(key string, yen int64) string
}

var _ payment.Provider = (*Ledger)(nil)

// Authorise implements payment.Provider.
func (l *Ledger) Authorise(ctx context.Context, key string, yen int64) (payment.Receipt, error) {
	return l.take(ctx, key, yen, payment.Receipt.Authorise)
}

// Capture implements payment.Provider.
func (l *Ledger) Capture(ctx context.Context, key string, yen int64) (payment.Receipt, error) {
	return l.take(ctx, key, yen, payment.Receipt.Capture)
}

// take is Authorise or Capture. A decline is stored, so that a repeat is declined too.
func (l *Ledger) take(ctx context.Context, key string, yen int64, rule func(payment.Receipt, int64) (payment.Receipt, error)) (payment.Receipt, error) {
	receipt, err := l.change(ctx, key, func(r payment.Receipt) (payment.Receipt, error) {
		after, err := rule(r, yen)
		if err != nil || r.Status != payment.StatusNone || l.Declines == nil {
			return after, err
		}
		if reason := l.Declines(key, yen); reason != "" {
			return r.Decline(yen, reason), nil
		}
		return after, nil
	})
	if err == nil && receipt.Status == payment.StatusDeclined {
		return rule(receipt, yen)
	}
	return receipt, err
}

// Refund implements payment.Provider.
func (l *Ledger) Refund(ctx context.Context, key, refund string, yen int64) (payment.Receipt, error) {
	if err := check(refund); err != nil {
		return payment.Receipt{}, err
	}
	return l.change(ctx, key, func(r payment.Receipt) (payment.Receipt, error) { return r.Refund(refund, yen) })
}

// Void implements payment.Provider.
func (l *Ledger) Void(ctx context.Context, key string) (payment.Receipt, error) {
	return l.change(ctx, key, payment.Receipt.Void)
}

// Lookup implements payment.Provider.
func (l *Ledger) Lookup(ctx context.Context, key string) (payment.Receipt, error) {
	if err := check(key); err != nil {
		return payment.Receipt{}, err
	}
	return l.Book.Receipt(ctx, key)
}

func (l *Ledger) change(ctx context.Context, key string, change func(payment.Receipt) (payment.Receipt, error)) (payment.Receipt, error) {
	if err := check(key); err != nil {
		return payment.Receipt{}, err
	}
	return l.Book.Change(ctx, key, change)
}

// check refuses an invalid key.
func check(key string) error {
	if !payment.ValidKey(key) {
		return &payment.Error{Code: payment.CodeInvalid, Detail: fmt.Sprintf("the key %.140q is not 1 to 128 characters of [A-Za-z0-9._:-]", key)}
	}
	return nil
}

// Sums are the sums of a book, in yen, and its number of payments by status.
type Sums struct {
	Captured int64                  `json:"captured"`
	Refunded int64                  `json:"refunded"`
	Payments map[payment.Status]int `json:"payments"`
}

// Add adds a receipt.
func (s *Sums) Add(r payment.Receipt) {
	if s.Payments == nil {
		s.Payments = map[payment.Status]int{}
	}
	s.Captured += r.Captured()
	s.Refunded += r.Refunded()
	s.Payments[r.Status]++
}

// SumsOf returns the sums of a book.
func SumsOf(ctx context.Context, b Book) (s Sums, err error) {
	err = b.Each(ctx, func(r payment.Receipt) error {
		s.Add(r)
		return nil
	})
	return s, err
}
