package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// Row is one row of the read model.
type Row struct {
	Version uint64          // of the last event in it
	Data    json.RawMessage // the row's JSON object
	Folded  bool            // from the event store, because the read model was older than requested
}

// MarshalJSON writes the row with its version as one more member.
func (o Row) MarshalJSON() ([]byte, error) {
	row := bytes.TrimSpace(o.Data)
	if len(row) < 2 || row[0] != '{' || row[len(row)-1] != '}' {
		return nil, errors.New("the stored row is not a JSON object")
	}
	out := make([]byte, 0, len(row)+32)
	out = append(out, row[:len(row)-1]...)
	if len(bytes.TrimSpace(row[1:len(row)-1])) > 0 {
		out = append(out, ',')
	}
	out = append(out, `"version":`...)
	out = strconv.AppendUint(out, o.Version, 10)
	return append(out, '}'), nil
}

// Get returns one row, at least as new as minVersion (0: as the read model has it). It refuses a stream that
// has not reached minVersion with the view's NotReached.
func (s Queries) Get(ctx context.Context, id string, minVersion uint64) (Row, error) {
	ctx = observe.WithField(ctx, s.View.Kind.Key, id)
	return answer(ctx, s, s.View.Queries.Get, func(ctx context.Context) (Row, error) {
		return s.get(ctx, s.View.Kind.Stream(id), minVersion)
	})
}

func (s Queries) get(ctx context.Context, stream string, minVersion uint64) (Row, error) {
	var record projection.Record
	var at active
	setUp, err := s.read(ctx, func(a active) error {
		var err error
		at = a
		record, err = s.Browser.Record(ctx, a.table, stream)
		if errors.Is(err, projection.ErrNoRecord) {
			record, err = projection.Record{}, nil
		}
		return err
	})
	if err != nil {
		return Row{}, err
	}
	if record.Visible() && record.Version >= minVersion {
		return Row{Version: record.Version, Data: record.Data}, nil
	}
	if minVersion == 0 {
		return Row{}, s.View.NotFound
	}
	d, known := s.Projections.Revision(s.View.Projection, at.revision)
	if !setUp {
		d, known = s.Projections.Newest(s.View.Projection)
	}
	if !known {
		return Row{}, fault.UnavailableFor(fmt.Errorf("revision %d of the read model is not known to this deployment, and its row is behind", at.revision), time.Second)
	}
	observe.Logger(ctx).Debug().Str(observe.FieldStream, stream).Uint64("from", record.Version).Uint64("minVersion", minVersion).Msg("query:fold")
	return s.fold(ctx, d, stream, minVersion)
}

// fold folds the row from the event store, as the projection would.
func (s Queries) fold(ctx context.Context, d model.Projection, stream string, minVersion uint64) (Row, error) {
	events, err := s.Streams.Load(ctx, stream, 0)
	if err != nil {
		return Row{}, fmt.Errorf("loading %s: %w", stream, err)
	}
	if len(events) == 0 {
		return Row{}, s.View.NotFound
	}
	record := projection.FoldHistory(d, events, event.InstantOf(s.Now())).Record(stream, 0)
	switch {
	case record.Version >= minVersion:
		return Row{Version: record.Version, Data: record.Data, Folded: true}, nil
	case record.Version < uint64(len(events)):
		// An event cannot be applied; its stream is parked and an alarm has been raised. The requested row
		// exists, but cannot be shown yet.
		return Row{}, fault.UnavailableFor(fmt.Errorf("version %d of %s cannot be applied", record.Version+1, stream), 30*time.Second)
	}
	return Row{}, &Error{s.View.NotReached, fmt.Sprintf("it is at version %d, not yet at %d", record.Version, minVersion)}
}

// maxMany bounds how many rows Many reads at once.
const maxMany = 8

// Many returns the rows of these ids, in their order, without those that are not there.
func (s Queries) Many(ctx context.Context, ids []string) ([]Row, error) {
	return answer(ctx, s, s.View.Queries.Get, func(ctx context.Context) ([]Row, error) {
		found := make([]projection.Record, len(ids))
		_, err := s.read(ctx, func(a active) error {
			group, ctx := errgroup.WithContext(ctx)
			group.SetLimit(maxMany)
			for i, id := range ids {
				group.Go(func() (err error) {
					if found[i], err = s.Browser.Record(ctx, a.table, s.View.Kind.Stream(id)); errors.Is(err, projection.ErrNoRecord) {
						err = nil
					}
					return err
				})
			}
			return group.Wait()
		})
		var rows []Row
		for i := range found {
			if found[i].Visible() {
				rows = append(rows, Row{Version: found[i].Version, Data: found[i].Data})
			}
		}
		return rows, err
	})
}

// Revision returns the revision of the rows that readers see, 0 if the projection is not set up yet.
func (s Queries) Revision(ctx context.Context) (revision int, err error) {
	_, err = s.read(ctx, func(a active) error { revision = a.revision; return nil })
	return revision, err
}

// History is all events of one stream.
type History struct {
	Stream  string
	Version uint64
	Events  []event.Event // from the first to the last
}

// History returns a stream's events, straight from the event store.
func (s Queries) History(ctx context.Context, id string) (History, error) {
	ctx = observe.WithField(ctx, s.View.Kind.Key, id)
	return answer(ctx, s, s.View.Queries.History, func(ctx context.Context) (History, error) {
		stream := s.View.Kind.Stream(id)
		events, err := s.Streams.Load(ctx, stream, 0)
		if err != nil {
			return History{}, fmt.Errorf("loading %s: %w", stream, err)
		}
		if len(events) == 0 {
			return History{}, s.View.NotFound
		}
		return History{Stream: stream, Version: events[len(events)-1].Version, Events: events}, nil
	})
}
