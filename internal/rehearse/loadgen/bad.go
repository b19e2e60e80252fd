package loadgen

import (
	"fmt"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// BadOrders is the projection of orders as a bad deployment has it: it ignores events of one type, and what
// cannot follow without them, and cannot apply those of another.
func BadOrders(forgets, refuses string) model.Projection {
	bad := readmodel.Orders()
	bad.NewRow = func() model.Row { return &badRow{forgets: forgets, refuses: refuses} }
	return bad
}

type badRow struct {
	readmodel.Order
	forgets, refuses string
}

// Apply is model.Row.
func (r *badRow) Apply(e *event.Event) error {
	switch e.Type {
	case r.forgets:
		return nil
	case r.refuses:
		return fmt.Errorf("%s is not expected here", e.Type)
	}
	if err := r.Order.Apply(e); r.forgets == "" {
		return err
	}
	return nil
}
