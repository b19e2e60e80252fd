// Package readmodel holds the canteen's projections as pure folds: for each read model a row type, how an
// event changes a row, and what a row adds to totals. Package projection of the engine takes care of
// tables, versions, duplicates and replays.
package readmodel

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unique"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The name of the orders projection and the newest revision of its fold. If Order.Apply, Contributions or the
// JSON change for the same events, a new revision is needed (infra/DESIGN.md section 6); golden tests check
// this.
const (
	OrdersName     = "orders"
	OrdersRevision = 2
)

// Orders returns the newest revision of the projection of orders and sales.
func Orders() model.Projection {
	return model.Projection{
		Name: OrdersName, Revision: OrdersRevision, Streams: order.StreamPrefix,
		NewRow: func() model.Row { return new(Order) },
	}
}

// OrdersV1 returns revision 1, which knows no owners. It fills the table versions of older installations until
// they are rebuilt.
func OrdersV1() model.Projection {
	v1 := Orders()
	v1.Revision = 1
	v1.NewRow = func() model.Row { return new(orderV1) }
	return v1
}

// orderV1 is the row of revision 1.
type orderV1 struct{ Order }

// Apply implements model.Row.
func (o *orderV1) Apply(e *event.Event) error {
	err := o.Order.Apply(e)
	o.Owner = ""
	return err
}

// OrdersView returns how guests and the kitchen query orders and sales.
func OrdersView() model.View {
	return model.View{
		Projection: OrdersName, Kind: order.Rules.Kind,
		CheckBucket: day.Check, Values: Statuses, Matches: hasStatus,
		NotFound:   &order.Error{Code: order.CodeNotFound, Detail: "there is no such order"},
		NotReached: order.CodeVersionNotReached,
		Queries:    model.QueryNames{Get: "GetOrder", List: "ListOrders", Total: "GetSales", History: "GetOrderEvents"},
	}
}

func hasStatus(row []byte, status string) (bool, error) {
	var stored struct {
		Status string `json:"status"`
	}
	err := json.Unmarshal(row, &stored)
	return stored.Status == status, err
}

// The statuses of an order's row.
const (
	StatusOrdered   = "ORDERED"
	StatusPaid      = "PAID"
	StatusPreparing = "PREPARING"
	StatusReady     = "READY"
	StatusPickedUp  = "PICKED_UP"
	StatusCancelled = "CANCELLED"
	StatusRejected  = "REJECTED"
)

// Statuses are all statuses, in the order of an order's life.
var Statuses = []string{StatusOrdered, StatusPaid, StatusPreparing, StatusReady, StatusPickedUp, StatusCancelled, StatusRejected}

// The fields of a day's sales total. Money is in yen. A payment counts on the day it was made, a refund on
// the day it was given.
const (
	FieldOrders        = "orders"
	FieldPaid          = "paid"
	FieldCancelled     = "cancelled"
	FieldRejected      = "rejected"
	FieldRefunded      = "refunded"
	FieldRevenuePrefix = "revenue." // followed by the payment method
	FieldRefundsPrefix = "refunds." // followed by the payment method
)

// Order is the row of one order.
type Order struct {
	OrderID       string              `json:"orderId"`
	Total         int64               `json:"total"` // yen
	Status        string              `json:"status"`
	PaymentMethod order.PaymentMethod `json:"paymentMethod,omitempty"`
	Lines         []order.Line        `json:"lines,omitempty"`
	PlacedAt      event.Instant       `json:"placedAt"`
	PaidAt        event.Instant       `json:"paidAt,omitzero"`
	PreparingAt   event.Instant       `json:"preparingAt,omitzero"`
	ReadyAt       event.Instant       `json:"readyAt,omitzero"`
	PickedUpAt    event.Instant       `json:"pickedUpAt,omitzero"`
	CancelledAt   event.Instant       `json:"cancelledAt,omitzero"`
	RefundedAt    event.Instant       `json:"refundedAt,omitzero"`
	RejectedAt    event.Instant       `json:"rejectedAt,omitzero"`
	Owner         string              `json:"owner,omitempty"`    // the caller who placed it
	Checkout      order.Checkout      `json:"checkout,omitempty"` // where its checkout is; "" if it has none
	Day           string              `json:"day,omitempty"`      // the business day whose stock it takes from
	PayBy         event.Instant       `json:"payBy,omitzero"`     // when it expires unless it is paid
	Reason        string              `json:"reason,omitempty"`   // code of why checkout ended it, such as stock/sold-out
	Refused       string              `json:"refused,omitempty"`  // the product that the reason is about
}

// Apply changes the row by one event of its order.
func (o *Order) Apply(e *event.Event) error {
	if o.Checkout == order.CheckoutNone {
		return o.apply(e)
	}
	status, checkout, err := order.Next(order.Status(o.Status), o.Checkout, e.Type)
	if errors.Is(err, event.ErrUnknownType) {
		return nil
	}
	if err == nil {
		err = o.apply(e)
	}
	if err != nil {
		return fmt.Errorf("order %s: %w", o.OrderID, err)
	}
	o.Status, o.Checkout = string(status), checkout
	return nil
}

// apply changes the row by one event, as it does without a checkout.
func (o *Order) apply(e *event.Event) error {
	switch e.Type {
	case order.PlacedType:
		return o.placed(e)
	case order.PaidType:
		return o.paid(e)
	case order.PreparationStartedType:
		return o.step(e, StatusPreparing, &o.PreparingAt)
	case order.ReadyType:
		return o.step(e, StatusReady, &o.ReadyAt)
	case order.PickedUpType:
		return o.step(e, StatusPickedUp, &o.PickedUpAt)
	case order.CancelledType:
		return o.cancelled(e)
	case order.RefundedType:
		return o.step(e, o.Status, &o.RefundedAt)
	case order.RejectedType:
		return o.rejected(e)
	}
	return nil
}

func (o *Order) placed(e *event.Event) error {
	if o.Status != "" {
		return fmt.Errorf("order %s was placed before", o.OrderID)
	}
	var p order.Placed
	if err := p.Decode(e); err != nil {
		return err
	}
	if err := day.CheckInstant(e.OccurredAt); err != nil {
		return err
	}
	lines := p.Lines
	for i := range lines {
		// The menu is short, so orders share the strings of its names.
		lines[i].Product = unique.Make(lines[i].Product).Value()
		lines[i].ProductID = unique.Make(lines[i].ProductID).Value()
	}
	*o = Order{
		OrderID: strings.Clone(p.OrderID), Total: p.Total, Status: StatusOrdered, Lines: lines, PlacedAt: e.OccurredAt,
		Owner: strings.Clone(e.Actor), Day: strings.Clone(p.Day), PayBy: p.PayBy,
	}
	if !p.PayBy.IsZero() {
		o.Checkout = order.CheckoutReserving
	}
	return nil
}

// cancelled keeps the reason of checkout only: a guest's words are not for lists.
func (o *Order) cancelled(e *event.Event) error {
	if o.Checkout == order.CheckoutNone {
		return o.step(e, StatusCancelled, &o.CancelledAt)
	}
	var p order.Cancelled
	if err := p.Decode(e); err != nil {
		return err
	}
	if err := o.step(e, StatusCancelled, &o.CancelledAt); err != nil {
		return err
	}
	if p.Reason == order.ReasonExpired {
		o.Reason = order.CodeExpired
	}
	return nil
}

func (o *Order) rejected(e *event.Event) error {
	var p order.Rejected
	if err := p.Decode(e); err != nil {
		return err
	}
	if err := o.step(e, StatusRejected, &o.RejectedAt); err != nil {
		return err
	}
	o.Reason, o.Refused = strings.Clone(p.Code), strings.Clone(p.ProductID)
	return nil
}

func (o *Order) paid(e *event.Event) error {
	var p order.Paid
	if err := p.Decode(e); err != nil {
		return err
	}
	at := p.PaidAt
	if at.IsZero() {
		at = e.OccurredAt
	}
	if err := o.known(e); err != nil {
		return err
	}
	if err := day.CheckInstant(at); err != nil {
		return err
	}
	o.Status, o.PaidAt, o.PaymentMethod = StatusPaid, at, knownMethod(p.Method)
	return nil
}

// knownMethod returns the constant that equals m, so that the row does not retain the event's memory.
func knownMethod(m order.PaymentMethod) order.PaymentMethod {
	switch m {
	case order.MethodCard:
		return order.MethodCard
	case order.MethodCash:
		return order.MethodCash
	}
	return order.MethodUnknown
}

func (o *Order) step(e *event.Event, status string, at *event.Instant) error {
	if err := o.known(e); err != nil {
		return err
	}
	if err := day.CheckInstant(e.OccurredAt); err != nil {
		return err
	}
	o.Status, *at = status, e.OccurredAt
	return nil
}

// known refuses an event of an order that was never placed, since a row made from it would be a guess.
func (o *Order) known(e *event.Event) error {
	if o.Status == "" {
		return fmt.Errorf("%s for an unknown order (stream %s): it was never placed", e.Type, e.Stream)
	}
	return nil
}

// Contributions counts the order in the sales of each day on which something happened to it.
func (o *Order) Contributions() []model.Contribution {
	if o.Status == "" {
		return nil
	}
	all := []model.Contribution{model.Add(day.Of(o.PlacedAt), FieldOrders, 1)}
	if !o.PaidAt.IsZero() {
		paid := day.Of(o.PaidAt)
		all = append(all, model.Add(paid, FieldPaid, 1), model.Add(paid, FieldRevenuePrefix+string(o.PaymentMethod), o.Total))
	}
	if !o.CancelledAt.IsZero() {
		all = append(all, model.Add(day.Of(o.CancelledAt), FieldCancelled, 1))
	}
	if !o.RejectedAt.IsZero() {
		all = append(all, model.Add(day.Of(o.RejectedAt), FieldRejected, 1))
	}
	if !o.RefundedAt.IsZero() {
		refunded := day.Of(o.RefundedAt)
		all = append(all, model.Add(refunded, FieldRefunded, 1), model.Add(refunded, FieldRefundsPrefix+string(o.PaymentMethod), o.Total))
	}
	return all
}

// Place lists an order under the day on which it was placed, newest first.
func (o *Order) Place() model.Place {
	if o.Status == "" {
		return model.Place{}
	}
	return model.Place{Bucket: day.Of(o.PlacedAt), Sort: o.PlacedAt.String() + "#" + o.OrderID}
}
