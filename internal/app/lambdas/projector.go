package lambdas

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/observe"
)

// Projector is the function that brings the read models up to date. It also sets a
// projection up when the first event comes, since its tables are made by version and not by
// the template.
func (s *System) Projector() StreamHandler {
	projector := s.ports(&selfSetup{Pointers: s.control, tables: s.tables}).Projector()
	marker := &marker{checkpoints: s.control, reader: readerProjector, other: readerArchiver, now: time.Now}
	return observed(s.telemetry, lambdaevent.Project(projector.Apply, marker.done, s.logger))
}

// selfSetup is pointers that set a projection up when they are asked for it and it is not.
type selfSetup struct {
	projection.Pointers
	tables projection.Tables
}

// Pointer is projection.Pointers.
func (s *selfSetup) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	p, err := s.Pointers.Pointer(ctx, name)
	if !errors.Is(err, projection.ErrNoPointer) {
		return p, err
	}
	if d, ok := canteen.Projections().Newest(name); ok {
		observe.Logger(ctx).Info().Str(observe.FieldProjection, name).Msg("projection:set-up")
		if err := projection.Ensure(ctx, s.Pointers, s.tables, d); err != nil {
			return projection.Pointer{}, err
		}
	}
	return s.Pointers.Pointer(ctx, name)
}
