package httpapi

import (
	"net/http"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/command"
)

func stockRoutes() []route {
	path := []param{{inPath, "day", dayLike}, {inPath, "productId", all(length(1, 128), oneSegment)}}
	id := func(r *http.Request) string { return stock.ID(r.PathValue("day"), r.PathValue("productId")) }
	portions := aggregate[stock.State, stock.Command]{
		rules: stock.Rules, path: path, id: id,
		tell: func(r *command.Result[stock.State]) any { return stockOutcomeOf(r) },
		where: func(r *command.Result[stock.State]) string {
			o := stockOutcomeOf(r)
			return at(at("/stock/", o.Day)+"/", o.ProductID)
		},
	}
	rows := resource{view: readmodel.StockView(), path: path, id: id}
	return []route{
		execute(portions, operation{"setPortions", http.MethodPut, "/stock/{day}/{productId}", []string{identity.ScopeStockWrite}}, must(setPortions),
			func(c *call, p *stock.SetPortions) { p.StockID = id(c.Request) }),
		rows.one(operation{"getStock", http.MethodGet, "/stock/{day}/{productId}", []string{identity.ScopeStockWrite, identity.ScopeOrdersKitchen, identity.ScopeOrdersCashier}}),
	}
}

var setPortions = object(required("portions", integer, func(c *stock.SetPortions) *int64 { return &c.Portions }))

// stockOutcome is the body of a command's response: the stock right after the command.
type stockOutcome struct {
	Day       string   `json:"day"`
	ProductID string   `json:"productId"`
	Limited   bool     `json:"limited"`
	Portions  int64    `json:"portions"`
	Reserved  int64    `json:"reserved"`
	Sold      int64    `json:"sold"`
	Version   uint64   `json:"version"`
	EventIDs  []string `json:"eventIds"` // none if the stock was like this before
}

func stockOutcomeOf(r *command.Result[stock.State]) stockOutcome {
	day, product, _ := stock.Split(r.State.StockID) // the rules have checked it
	return stockOutcome{day, product, r.State.Limited, r.State.Portions, r.State.Reserved, r.State.Sold, r.Version, idsOf(r.Events)}
}

// stockKinds are the problems with stock.
var stockKinds = map[string]kind{
	stock.CodeNotFound:    {http.StatusNotFound, "No stock is set"},
	stock.CodeInvalid:     {http.StatusUnprocessableEntity, "Invalid stock"},
	stock.CodeSoldOut:     {http.StatusConflict, "Sold out"},
	stock.CodeTaken:       {http.StatusConflict, "More portions are taken"},
	stock.CodeReleased:    {http.StatusConflict, "The order was called off"},
	stock.CodeNotReserved: {http.StatusConflict, "Nothing is reserved"},
	stock.CodeNotReached:  {http.StatusPreconditionFailed, "The stock has not reached the requested version"},
}
