package projection_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/memory"
	"gakushoku/internal/projection"
)

// stuck does not answer until the caller gives up.
type stuck struct {
	projection.Tables
	is bool
}

func (s *stuck) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	if s.is {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Tables.Records(ctx, t, streams)
}

func TestABatchThatTakesTooLongComesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		events, control, tables := memory.NewEvents(), memory.NewControl(), &stuck{Tables: memory.NewTables(), is: true}
		if err := projection.Ensure(t.Context(), control, tables, projection.Orders()); err != nil {
			t.Fatal(err)
		}
		e, err := event.New(event.OrderPlaced{OrderID: "o1", Total: 100})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.OccurredAt = "e1", event.InstantOf(time.Now())
		if err := events.Append(t.Context(), "order-o1", 0, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
		f := projection.Follower{
			Name: "orders", Feed: events, Checkpoints: control, Batch: 10, Timeout: 10 * time.Second,
			Projector: &projection.Projector{
				Definitions: []projection.Definition{projection.Orders()}, Tables: tables, Streams: events, Now: time.Now,
				Pointers: &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
			},
		}
		began := time.Now()
		if _, err := f.Once(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != f.Timeout {
			t.Fatalf("after %s: got %v, want a deadline after %s", time.Since(began), err, f.Timeout)
		}
		tables.is = false
		if more, err := f.Once(t.Context()); err != nil || !more {
			t.Fatalf("the batch does not come again: %v, %v", more, err)
		}
		rows, err := tables.Tables.Records(t.Context(), table, []string{"order-o1"})
		if err != nil || rows["order-o1"].Version != 1 {
			t.Fatalf("got %v, %v, want the row at version 1", rows, err)
		}
	})
}
