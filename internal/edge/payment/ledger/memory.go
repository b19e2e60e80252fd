package ledger

import (
	"context"
	"maps"
	"slices"
	"sync"

	"gakushoku/internal/edge/payment"
)

// Memory is a Book in memory. The zero value is an empty book.
type Memory struct {
	mu       sync.Mutex
	receipts map[string]payment.Receipt
}

var _ Book = (*Memory)(nil)

// Change implements Book.
func (m *Memory) Change(ctx context.Context, key string, change func(payment.Receipt) (payment.Receipt, error)) (payment.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return payment.Receipt{}, payment.Unavailable(err, 0)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.receipt(key)
	after, err := change(before)
	if err != nil {
		return before, err
	}
	if m.receipts == nil {
		m.receipts = map[string]payment.Receipt{}
	}
	m.receipts[key] = after
	return after, nil
}

// Receipt implements Book.
func (m *Memory) Receipt(_ context.Context, key string) (payment.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.receipt(key), nil
}

// Each implements Book.
func (m *Memory) Each(_ context.Context, f func(payment.Receipt) error) error {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.receipts))
	m.mu.Unlock()
	slices.SortFunc(all, payment.Receipt.ByKey)
	for _, r := range all {
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) receipt(key string) payment.Receipt {
	if r, ok := m.receipts[key]; ok {
		return r
	}
	return payment.Receipt{Key: key}
}
