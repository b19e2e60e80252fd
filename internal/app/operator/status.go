package operator

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

// Status is the state of an installation's events and read models.
type Status struct {
	Stack       string             `json:"stack,omitempty"` // on AWS: applied events and rows are not counted there
	Head        uint64             `json:"head"`            // number of the newest event
	Applied     uint64             `json:"applied"`         // number of the newest event the projector has applied
	Reflected   uint64             `json:"reflected"`       // number of the newest event in every active version; a rebuild may be ahead of the projector
	BehindMs    int64              `json:"behindMs"`        // age in the store of the oldest event not reflected
	Projections []ProjectionStatus `json:"projections"`
	Misfit      string             `json:"misfit,omitempty"`   // why the stores of a data folder do not belong together
	Readable    string             `json:"readable,omitempty"` // a warning that other users may read a data folder
	Unknown     []string           `json:"unknown,omitempty"`  // what could not be determined, and why
	NoEvents    bool               `json:"noEvents,omitempty"` // the event store cannot be read: Head, Applied and Reflected are unknown
}

// ProjectionStatus is a projection's pointer and the contents of its active version.
type ProjectionStatus struct {
	Name     string               `json:"name"`
	Versions []projection.Version `json:"versions"`
	Rows     *int                 `json:"rows,omitempty"`   // nil: not counted
	Parked   *int                 `json:"parked,omitempty"` // nil: not counted
	Runs     []rebuild.UnderWay   `json:"runs,omitempty"`   // those that have not ended
	// Unreadable says why the rows of the active version could not be counted: its table is missing or
	// damaged, so the projection must be rebuilt.
	Unreadable string `json:"unreadable,omitempty"`
}

// Note adds to Unknown what could not be determined, unless ctx has ended; then it returns the error.
func (s *Status) Note(ctx context.Context, what string, err error) error {
	if err != nil && ctx.Err() == nil {
		s.Unknown = append(s.Unknown, fmt.Sprintf("%s is not known: %v", what, err))
		return nil
	}
	return err
}

// Status is Versions with counts of rows and parked streams. On AWS it counts only parked streams, since
// reading every row costs money.
func (i *Installation) Status(ctx context.Context) (Status, error) {
	status, err := i.Versions(ctx)
	for k := range status.Projections {
		p := &status.Projections[k]
		for _, v := range p.Versions {
			if err == nil && v.State == projection.Active {
				err = i.count(ctx, p, projection.Table{Projection: p.Name, Version: v.Number})
			}
		}
	}
	return status, err
}

const countPage = 500

// count counts the rows of a table, where the store can do that without reading them, and the parked ones.
func (i *Installation) count(ctx context.Context, p *ProjectionStatus, t projection.Table) error {
	var parked int
	var err error
	if counter, ok := i.Models.Tables.(projection.Counter); ok && i.Stack == "" {
		var rows int
		rows, parked, err = counter.Count(ctx, t)
		p.Rows = &rows
	} else {
		parked, err = i.countParked(ctx, t)
	}
	switch {
	case errors.Is(err, projection.ErrNoTable), errors.Is(err, projection.ErrDamaged):
		p.Rows, p.Unreadable = nil, fmt.Sprintf("counting rows: %v", err)
	case err != nil:
		return fmt.Errorf("counting rows: %w", err)
	default:
		p.Parked = &parked
	}
	return nil
}

func (i *Installation) countParked(ctx context.Context, t projection.Table) (int, error) {
	parked := 0
	scan := func(cursor string) ([]projection.Record, string, error) {
		return i.Models.Tables.ParkedRecords(ctx, t, cursor, countPage)
	}
	for records, err := range eventstore.Pages(scan) {
		if err != nil {
			return 0, err
		}
		parked += len(records)
	}
	return parked, nil
}
