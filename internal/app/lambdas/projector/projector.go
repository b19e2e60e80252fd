// Package projector is the function that keeps the read models up to date. The first event sets a projection
// up, since each version has its own tables, which the template cannot create.
package projector

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/lag"
	"gakushoku/internal/app/lambdas/wake"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/canteen"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/observe"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (lambdaevent.StreamHandler, error) {
	projector := s.Ports(&SelfSetup{Pointers: s.Control, Tables: s.Tables}).Projector()
	if name := s.Config.ProcessFunction; name != "" {
		projector.Due = (&wake.Waker{AWS: s.AWS, Function: name, Every: wiring.Grace, Now: time.Now}).Due
	}
	marker := lag.NewMarker(s.Control, lag.Projector)
	return lambdaevent.Project(projector.Apply, marker.Done, s.Logger), nil
}

// SelfSetup wraps pointers so that reading a missing pointer sets its projection up.
type SelfSetup struct {
	projection.Pointers
	Tables projection.Tables
}

// Pointer implements projection.Pointers.
func (s *SelfSetup) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	p, err := s.Pointers.Pointer(ctx, name)
	if !errors.Is(err, projection.ErrNoPointer) {
		return p, err
	}
	if d, ok := canteen.Projections().Newest(name); ok {
		observe.Logger(ctx).Info().Str(observe.FieldProjection, name).Msg("projection:set-up")
		if err := projection.Ensure(ctx, s.Pointers, s.Tables, d); err != nil {
			return projection.Pointer{}, err
		}
	}
	return s.Pointers.Pointer(ctx, name)
}
