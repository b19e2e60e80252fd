// Package canteen lists the canteen's projections for the engine and the programs. Add new aggregates and
// projections here.
package canteen

import (
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/model"
)

// Projections returns the revisions of every projection. A new revision is added beside the old one, which
// stays until no table version is filled by it any more.
func Projections() model.Projections { return model.Projections{readmodel.Orders()} }
