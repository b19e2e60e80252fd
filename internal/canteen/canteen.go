// Package canteen names what the canteen hands to the engine: its projections. A new aggregate or
// projection is added here, and the programs learn of it from here.
package canteen

import (
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/model"
)

// Projections are the revisions of every projection. A new revision stands here beside the old one
// until no table version is filled by that any more.
func Projections() model.Projections { return model.Projections{readmodel.Orders()} }
