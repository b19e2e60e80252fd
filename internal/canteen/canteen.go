// Package canteen lists what the canteen hands to the engine and the programs: projections, and how readers
// query them. Add new aggregates and projections here.
package canteen

import (
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/model"
)

// Projections returns the revisions of every projection. A new revision is added beside the old one, which
// stays until no table version is filled by it any more.
func Projections() model.Projections {
	return model.Projections{
		readmodel.OrdersV1(), readmodel.Orders(), readmodel.Products(), readmodel.Categories(), readmodel.Stocks(),
	}
}

// Views returns how readers query the projections, one view for each that is queried.
func Views() []model.View { return []model.View{readmodel.OrdersView()} }
