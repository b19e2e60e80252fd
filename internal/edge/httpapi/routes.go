package httpapi

import (
	"math"
	"net/http"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/query"
)

// route is one operation of the interface.
type route struct {
	part   Parts
	method string
	path   string // as in the contract; also a valid pattern of http.ServeMux
	input  input
	handle func(http.ResponseWriter, *http.Request) error
}

func (s *server) routes() []route {
	return []route{
		{PartCommands, http.MethodPost, "/orders", input{params: []param{idempotencyKey}, body: placeOrder, must: true}, s.placeOrder},
		{PartCommands, http.MethodPost, "/orders/{id}/pay", change(payOrder, true), s.payOrder},
		{PartCommands, http.MethodPost, "/orders/{id}/cancel", change(cancelOrder, false), s.cancelOrder},
		{PartCommands, http.MethodPost, "/orders/{id}/prepare", change(object(), false), s.startPreparing},
		{PartCommands, http.MethodPost, "/orders/{id}/ready", change(object(), false), s.markReady},
		{PartCommands, http.MethodPost, "/orders/{id}/pickup", change(object(), false), s.pickUp},
		{PartQueries, http.MethodGet, "/orders", input{params: filters}, s.listOrders},
		{PartQueries, http.MethodGet, "/orders/{id}", input{params: []param{orderID, ifMinVersion, minVersion, ifNoneMatch}}, s.getOrder},
		{PartQueries, http.MethodGet, "/orders/{id}/events", input{params: []param{orderID}}, s.getOrderEvents},
		{PartQueries, http.MethodGet, "/sales/{day}", input{params: []param{{inPath, "day", day}}}, s.getSales},
		{PartHealth, http.MethodGet, "/health", input{}, s.getHealth},
		{PartHealth, http.MethodGet, "/health/ready", input{}, s.getHealth},
		{PartHealth, http.MethodGet, "/health/live", input{}, s.getLiveness},
		{PartHealth, http.MethodGet, "/openapi.json", input{}, s.getOpenAPI},
	}
}

// change returns the input of a command for the order in the path.
func change(body shape, must bool) input {
	return input{params: []param{orderID, idempotencyKey}, body: body, must: must}
}

var (
	orderID        = param{inPath, "id", all(length(1, 128), oneSegment)}
	idempotencyKey = param{inHeader, headerIdempotencyKey, all(length(1, 128), visibleASCII)}
	ifNoneMatch    = param{inHeader, headerIfNoneMatch, length(0, 256)}
	ifMinVersion   = param{inHeader, headerIfMinVersion, whole(0, math.MaxInt64)}
	minVersion     = param{inQuery, "minVersion", whole(0, math.MaxInt64)}
)

// filters are the parameters of the list of orders.
var filters = []param{
	{inQuery, "status", oneOf(readmodel.Statuses...)},
	{inQuery, "day", day},
	{inQuery, "cursor", length(1, 1024)},
	{inQuery, "limit", whole(1, query.MaxLimit)},
}

// The bodies of commands. The canteen's rules restrict the values further.
var (
	placeOrder = object(
		optional("orderId", text(length(1, 128))),
		optional("lines", list(object(
			required("product", text(anything)), required("quantity", integer), required("unitPrice", integer),
		))),
		optional("total", integer),
	)
	payOrder    = object(required("paymentMethod", text(oneOf(order.MethodCard, order.MethodCash))))
	cancelOrder = object(optional("reason", text(anything)))
)
