// Package query serves reads: one row, a list, a total, a stream's history. It reads the active version of
// the read model, and the event store if the read model is not yet as new as the reader needs
// (infra/DESIGN.md section 9), so that clients always see their own writes.
package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// Streams is the part of the event store that queries read.
type Streams interface {
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
}

// Reader runs queries on the rows of any projection, by its view. It is safe for concurrent use.
type Reader struct {
	Pointers    *projection.CachedPointers
	Browser     projection.Browser
	Streams     Streams
	Projections model.Projections // every revision that an active version may have
	Now         func() time.Time
	Cache       *Cache // of the lists of views that are Kept; nil: none
}

// Of returns the queries of one view.
func (r *Reader) Of(v model.View) Queries { return Queries{r, v} }

// Queries are the queries of one view. Their errors are refusals (an Error, or the view's NotFound),
// infrastructure errors, or defects.
type Queries struct {
	*Reader
	View model.View
}

// Error is a refused query. Code is stable and public; Detail is for people.
type Error struct {
	Code   string
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// DomainCode returns the stable code.
func (e *Error) DomainCode() string { return e.Code }

// The codes of this package. They are part of the HTTP interface: never change one.
const (
	CodeInvalidCursor = "query/invalid-cursor"
	CodeInvalidBucket = "query/invalid-day"
	CodeInvalidValue  = "query/invalid-status"
)

// active is the table that readers see, and the revision of its rows.
type active struct {
	table    projection.Table
	revision int
}

// read calls f with the active table. If the table was dropped after the pointer had been read, it reads the
// pointer again, once. If the projection has not been set up yet, which its first event does, it does not
// call f and returns false.
func (s Queries) read(ctx context.Context, f func(active) error) (found bool, err error) {
	for attempt := range 2 {
		pointer, err := s.Pointers.Pointer(ctx, s.View.Projection)
		if errors.Is(err, projection.ErrNoPointer) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading the pointer of %s: %w", s.View.Projection, err)
		}
		v, ok := pointer.ActiveVersion()
		if !ok {
			return false, fmt.Errorf("the pointer of %s names no active version", s.View.Projection)
		}
		err = f(active{pointer.Table(v), v.Revision})
		if !errors.Is(err, projection.ErrNoTable) {
			return true, err
		}
		s.Pointers.Forget(s.View.Projection)
		observe.Logger(ctx).Warn().Str(observe.FieldProjection, pointer.Table(v).String()).Int("attempt", attempt+1).Msg("query:no-table")
	}
	return false, fault.UnavailableFor(errors.New("the active read model's table is missing: rebuild the projection"), 5*time.Second)
}

// answer runs one query and logs it.
func answer[T any](ctx context.Context, s Queries, name string, f func(context.Context) (T, error)) (T, error) {
	started := s.Now()
	logger := observe.Logger(ctx).With().Str(observe.FieldQueryName, name).Logger()
	logger.Debug().Msg("query:start")
	result, err := f(ctx)
	elapsed := float64(s.Now().Sub(started).Microseconds()) / 1000
	if err == nil {
		logger.Info().Float64(observe.FieldDurationMs, elapsed).Str(observe.FieldResult, observe.ResultOK).Msg("query:success")
		return result, nil
	}
	line := logger.Info() // a request for something that does not exist must not raise an alarm
	if fault.ClassOf(err) != fault.Domain {
		line = logger.Error()
	}
	observe.Failed(line, elapsed, err).Msg("query:failed")
	return result, err
}
