package httpapi

import (
	"net/http"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

func orderRoutes() []route {
	o := aggregate[order.State, order.Command]{
		rules: order.Rules, path: []param{pathID}, id: byID,
		tell:  func(r *command.Result[order.State]) any { return orderOutcomeOf(r) },
		where: func(r *command.Result[order.State]) string { return at("/orders/", r.State.OrderID) },
		due:   dueAtOnce, settled: settled,
	}
	rows := resource{
		view: readmodel.OrdersView(), path: []param{pathID}, id: byID, rows: "orders",
		value: param{inQuery, "status", oneOf(readmodel.Statuses...)}, bucket: param{inQuery, "day", dayLike},
		own: owned{checkout.View(), checkout.OwnedSince},
	}
	buying, working := []string{identity.ScopeOrdersOwn, identity.ScopeOrdersCashier}, []string{identity.ScopeOrdersKitchen}
	looking := append(buying, identity.ScopeOrdersKitchen)
	return []route{
		execute(o, operation{"placeOrder", http.MethodPost, "/orders", buying}, must(placeOrder), nil),
		guarded(tillOnly, execute(o, operation{"payOrder", http.MethodPost, "/orders/{id}/pay", buying}, must(payOrder),
			func(c *call, p *order.PayOrder) {
				p.At, p.ByProvider, p.PaymentID = event.InstantOf(c.server.Now()), c.server.CardProvider, observe.NewID()
			})),
		execute(o, operation{"cancelOrder", http.MethodPost, "/orders/{id}/cancel", buying}, may(cancelOrder), nil),
		execute(o, operation{"startPreparing", http.MethodPost, "/orders/{id}/prepare", working}, may(object[order.StartPreparing]()), nil),
		execute(o, operation{"markReady", http.MethodPost, "/orders/{id}/ready", working}, may(object[order.MarkReady]()), nil),
		execute(o, operation{"pickUpOrder", http.MethodPost, "/orders/{id}/pickup", working}, may(object[order.PickUp]()), nil),
		rows.list(operation{"listOrders", http.MethodGet, "/orders", looking}),
		rows.one(operation{"getOrder", http.MethodGet, "/orders/{id}", looking}),
		rows.history(operation{"getOrderEvents", http.MethodGet, "/orders/{id}/events", []string{identity.ScopeOpsRead}}),
		total(rows, operation{"getSales", http.MethodGet, "/sales/{day}", []string{identity.ScopeSalesRead}}, param{inPath, "day", dayLike}, readmodel.SalesOf),
	}
}

// tillOnly refuses a guest who says to have paid where no money came: cash, and cards without a provider, are
// taken at the till.
func tillOnly(c *call) error {
	paying, _ := c.body.(order.PayOrder)
	if c.owner == "" || paying.Method == order.MethodCard && c.server.CardProvider {
		return nil
	}
	return identity.MissingScope(observe.CallerOf(c.Context()).Role, identity.Need{identity.ScopeOrdersCashier})
}

// The bodies of commands. The canteen's rules restrict the values further.
var (
	placeOrder = object(
		optional("orderId", text(length(1, 128)), func(c *order.PlaceOrder) *string { return &c.OrderID }),
		optional("lines", list(line), func(c *order.PlaceOrder) *[]order.Line { return &c.Lines }),
		optional("total", pointer(integer), func(c *order.PlaceOrder) **int64 { return &c.Total }),
	)
	line = object(
		optional("productId", text(anything), func(l *order.Line) *string { return &l.ProductID }),
		optional("product", text(anything), func(l *order.Line) *string { return &l.Product }),
		required("quantity", integer, func(l *order.Line) *int64 { return &l.Quantity }),
		optional("unitPrice", integer, func(l *order.Line) *int64 { return &l.UnitPrice }),
	)
	payOrder = object(
		required("paymentMethod", enum(order.MethodCard, order.MethodCash), func(c *order.PayOrder) *order.PaymentMethod { return &c.Method }),
	)
	cancelOrder = object(
		optional("reason", text(anything), func(c *order.CancelOrder) *string { return &c.Reason }),
	)
)

// orderOutcome is the body of a command's response. It describes the order right after the command, so that a
// repeat gets the same.
type orderOutcome struct {
	OrderID       string              `json:"orderId"`
	Status        order.Status        `json:"status"`
	Checkout      order.Checkout      `json:"checkout,omitempty"`
	Total         int64               `json:"total"` // yen
	PaymentMethod order.PaymentMethod `json:"paymentMethod,omitempty"`
	Version       uint64              `json:"version"`
	EventIDs      []string            `json:"eventIds"`
}

func orderOutcomeOf(r *command.Result[order.State]) orderOutcome {
	return orderOutcome{r.State.OrderID, r.State.Status, r.State.Checkout, r.State.Total, r.State.Method, r.Version, idsOf(r.Events)}
}

// orderKinds are the problems with orders.
var orderKinds = map[string]kind{
	order.CodeVersionNotReached: {http.StatusPreconditionFailed, "The order has not reached the requested version"},
	order.CodeNotFound:          {http.StatusNotFound, "Order not found"},
	order.CodeAlreadyExists:     {http.StatusConflict, "The order already exists"},
	order.CodeAlreadyPaid:       {http.StatusConflict, "The order is already paid"},
	order.CodeAlreadyPreparing:  {http.StatusConflict, "The order is already being prepared"},
	order.CodeAlreadyReady:      {http.StatusConflict, "The order is already ready"},
	order.CodeAlreadyPickedUp:   {http.StatusConflict, "The order was already picked up"},
	order.CodeAlreadyCancelled:  {http.StatusConflict, "The order was already cancelled"},
	order.CodeNotPaid:           {http.StatusConflict, "The order is not paid"},
	order.CodeNotPreparing:      {http.StatusConflict, "The order is not being prepared"},
	order.CodeNotReady:          {http.StatusConflict, "The order is not ready"},
	order.CodeTooLateToCancel:   {http.StatusConflict, "The order can no longer be cancelled"},
	order.CodeInvalidID:         {http.StatusUnprocessableEntity, "Invalid order id"},
	order.CodeInvalidLines:      {http.StatusUnprocessableEntity, "Invalid order lines"},
	order.CodeInvalidAmount:     {http.StatusUnprocessableEntity, "Amount out of bounds"},
	order.CodeTotalMismatch:     {http.StatusUnprocessableEntity, "The total does not match the lines"},
	order.CodeInvalidMethod:     {http.StatusUnprocessableEntity, "Invalid payment method"},
	order.CodeInvalidReason:     {http.StatusUnprocessableEntity, "Invalid reason"},
	order.CodeRejected:          {http.StatusConflict, "The order was turned down"},
	order.CodePriceChanged:      {http.StatusConflict, "The price has changed"},
	order.CodeNotOffered:        {http.StatusConflict, "The product is not offered"},
	order.CodeUnknownProduct:    {http.StatusUnprocessableEntity, "The product is not on the menu"},
	order.CodeMenuOnly:          {http.StatusForbidden, "Only products of the menu"},
	order.CodeTooManyPortions:   {http.StatusConflict, "Too many portions for a guest"},
	order.CodeTooManyOpen:       {http.StatusConflict, "Too many orders that are not paid"},
	order.CodeNotReserved:       {http.StatusConflict, "The portions are not reserved yet"},
	order.CodeExpired:           {http.StatusConflict, "The order was not paid in time"},
	order.CodePaymentOpen:       {http.StatusConflict, "A payment is under way"},
	order.CodeNotConfirmed:      {http.StatusConflict, "The sale is not recorded yet"},
	order.CodeNotAwaited:        {http.StatusConflict, "The order does not wait for this"},
	payment.CodeDeclined:        {http.StatusPaymentRequired, "The card was declined"},
	order.CodePaymentSettled:    {http.StatusConflict, "The payment ended in another way"},
}
