// Package canteen lists what the canteen hands to the engine and the programs: projections, how readers query
// them, and processes. Add new aggregates, projections and processes here.
package canteen

import (
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/model"
)

// Projections returns the revisions of every projection, processes included. A new revision is added beside
// the old one, which stays until no table version is filled by it any more.
func Projections() model.Projections {
	all := model.Projections{
		readmodel.OrdersV1(), readmodel.Orders(), readmodel.Products(), readmodel.Categories(), readmodel.Stocks(),
	}
	for _, p := range Processes() {
		all = append(all, p.Projection)
	}
	return all
}

// Views returns how readers query the projections, one view for each that is queried.
func Views() []model.View {
	return []model.View{readmodel.OrdersView(), readmodel.ProductsView(), readmodel.CategoriesView(), readmodel.StockView(), checkout.View()}
}

// Processes returns the revisions of every process.
func Processes() model.Processes { return model.Processes{checkout.ProcessV1(), checkout.Process()} }

// Closings returns which streams are closed. Products and categories never are.
func Closings() []model.Closing {
	return []model.Closing{model.ClosedStates(order.Rules, order.Closed), stock.Closing()}
}
