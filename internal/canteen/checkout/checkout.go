// Package checkout is the process that brings an order from being placed to being sold: reserve the portions,
// wait for the payment, capture it, record the sale. When a step is refused, or the order is not paid in time
// or called off, it undoes in reverse what may have been done. It is a pure fold of the order's stream; where a
// checkout is follows from order.Checkout alone.
package checkout

import (
	"cmp"
	"errors"
	"strings"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The name of the process and the revision of its fold. A change of what the rows hold needs a new revision.
const (
	Name     = "checkout"
	Revision = 2
)

// The steps.
const (
	StepReserve = "reserve" // reserve portions of all products
	StepExpire  = "expire"  // cancel an order that was not paid in time
	StepCapture = "capture" // have the provider capture the payment
	StepConfirm = "confirm" // sell the portions
	StepVoid    = "void"    // have the provider void the payment, or find it captured
	StepRefund  = "refund"  // have the provider give the money back
	StepRelease = "release" // give the portions back
)

// PayWithin is how long an order waits to be paid, in milliseconds.
const PayWithin = event.Instant(15 * 60 * 1000)

// Process returns the process.
func Process() model.Process {
	return model.Process{
		Projection: model.Projection{
			Name: Name, Revision: Revision, Streams: order.StreamPrefix,
			NewRow: func() model.Row { return new(Row) },
		},
		Steps: []string{StepReserve, StepExpire, StepCapture, StepConfirm, StepVoid, StepRefund, StepRelease},
	}
}

// ProcessV1 returns revision 1, which lists checkouts by day only. It fills the table versions of older
// installations until they are rebuilt.
func ProcessV1() model.Process {
	v1 := Process()
	v1.Revision = 1
	v1.NewRow = func() model.Row { return new(rowV1) }
	return v1
}

// rowV1 is the row of revision 1.
type rowV1 struct{ Row }

// RowOf returns what a row of any revision says of the checkout; nil if it is the row of something else.
func RowOf(row model.Row) *Row {
	switch row := row.(type) {
	case *Row:
		return row
	case *rowV1:
		return &row.Row
	}
	return nil
}

// Place implements model.Row.
func (r *rowV1) Place() model.Place {
	place := r.Row.Place()
	if place.Bucket != "" {
		place.Bucket = day.Of(r.PlacedAt)
	}
	return place
}

// OwnedSince is the first revision that lists checkouts by owner.
const OwnedSince = 2

// View returns how guests find their own orders: each owner is a bucket.
func View() model.View {
	return model.View{
		Projection: Name, Kind: order.Rules.Kind,
		NotFound:   &order.Error{Code: order.CodeNotFound, Detail: "there is no such order"},
		NotReached: order.CodeVersionNotReached,
		Queries:    model.QueryNames{Get: "GetCheckout", List: "ListOwnOrders", Total: "GetCheckouts", History: "GetCheckoutEvents"},
	}
}

// Open reports whether the order holds portions that are not paid for.
func (r *Row) Open() bool {
	switch r.Checkout {
	case order.CheckoutReserving, order.CheckoutReserved, order.CheckoutPaying:
		return true
	}
	return false
}

// Item is how many portions of a product an order takes.
type Item struct {
	ProductID string `json:"productId"`
	Quantity  int64  `json:"quantity"`
}

// Row is the checkout of one order.
type Row struct {
	order.State
	Items     []Item        `json:"items,omitempty"` // one for each product
	PlacedAt  event.Instant `json:"placedAt,omitzero"`
	ChangedAt event.Instant `json:"changedAt,omitzero"` // when the last event of the checkout happened
}

// Apply implements model.Row. It leaves the row of an order without a checkout zero.
func (r *Row) Apply(e *event.Event) error {
	if e.Type == order.PlacedType {
		return r.begin(e)
	}
	if !r.Exists() {
		return nil
	}
	state, err := order.Evolve(r.State, e)
	if errors.Is(err, event.ErrUnknownType) {
		return nil
	}
	if err != nil {
		return err
	}
	r.State, r.ChangedAt = state, e.OccurredAt
	return nil
}

// begin starts the checkout of an order that has one.
func (r *Row) begin(e *event.Event) error {
	state, err := order.Evolve(r.State, e)
	if err != nil || state.PayBy.IsZero() {
		return err
	}
	items, err := itemsOf(e)
	if err != nil {
		return err
	}
	*r = Row{State: state, Items: items, PlacedAt: e.OccurredAt, ChangedAt: e.OccurredAt}
	return nil
}

// itemsOf returns the portions of an order's products, each product once.
func itemsOf(e *event.Event) ([]Item, error) {
	var p order.Placed
	if err := p.Decode(e); err != nil {
		return nil, err
	}
	var items []Item
	at := map[string]int{}
	for _, l := range p.Lines {
		if l.ProductID == "" {
			continue
		}
		i, known := at[l.ProductID]
		if !known {
			i, at[l.ProductID] = len(items), len(items)
			items = append(items, Item{ProductID: strings.Clone(l.ProductID)})
		}
		items[i].Quantity += l.Quantity
	}
	return items, nil
}

// steps says what each state of a checkout waits for. The others wait for nothing.
var steps = map[order.Checkout]model.Task{
	order.CheckoutReserving:  {Step: StepReserve},
	order.CheckoutReserved:   {Step: StepExpire},
	order.CheckoutPaying:     {Step: StepCapture},
	order.CheckoutConfirming: {Step: StepConfirm},
	order.CheckoutDeclined:   {Step: StepVoid, Undo: true},
	order.CheckoutVoiding:    {Step: StepVoid, Undo: true},
	order.CheckoutRefunding:  {Step: StepRefund, Undo: true},
	order.CheckoutReleasing:  {Step: StepRelease, Undo: true},
}

// Next implements model.ProcessRow: everything is due at once, except that an order waits to be paid.
func (r *Row) Next() (model.Task, bool) {
	task, ok := steps[r.Checkout]
	task.Due = r.ChangedAt
	if r.Checkout == order.CheckoutReserved {
		task.Due = r.PayBy
	}
	return task, ok
}

// Contributions implements model.Row.
func (r *Row) Contributions() []model.Contribution { return nil }

// Place implements model.Row: checkouts are listed under the order's owner, newest first; those of nobody under
// the day on which the order was placed.
func (r *Row) Place() model.Place {
	if !r.Exists() {
		return model.Place{}
	}
	return model.Place{Bucket: cmp.Or(r.Owner, day.Of(r.PlacedAt)), Sort: r.PlacedAt.String() + "#" + r.OrderID}
}
