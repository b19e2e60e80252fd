package projection_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
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
		if err := projection.Ensure(t.Context(), control, tables, readmodel.Orders()); err != nil {
			t.Fatal(err)
		}
		e, err := event.New(order.Placed{OrderID: "o1", Total: 100})
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
				Projections: []model.Projection{readmodel.Orders()}, Tables: tables, Streams: events, Now: time.Now,
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

// A store so slow that a batch never fits its timeout gets on with smaller ones, and is back
// at full batches when it has recovered.
func TestASlowStoreGetsOnWithSmallerBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		events, control, tables := memory.NewEvents(), memory.NewControl(), &slowTables{Tables: memory.NewTables(), perRow: time.Second}
		if err := projection.Ensure(t.Context(), control, tables, readmodel.Orders()); err != nil {
			t.Fatal(err)
		}
		placeOrders := func(from, to int) {
			for i := from; i < to; i++ {
				e := []event.Event{{ID: fmt.Sprint("e", i), Type: order.PlacedType, OccurredAt: 1, Schema: 1, Payload: fmt.Appendf(nil, `{"orderId":"o%d","total":780}`, i)}}
				if err := events.Append(t.Context(), fmt.Sprint("order-o", i), 0, e); err != nil {
					t.Fatal(err)
				}
			}
		}
		placeOrders(0, 40)
		f := &projection.Follower{
			Name: "orders", Feed: events, Checkpoints: control, Batch: 40, Timeout: 10 * time.Second,
			Projector: &projection.Projector{
				Projections: []model.Projection{readmodel.Orders()}, Tables: tables, Streams: events, Now: time.Now,
				Pointers: &projection.CachedPointers{Source: control, Now: time.Now},
			},
		}
		for tries := 0; ; tries++ {
			more, err := f.Once(t.Context())
			if err == nil && !more {
				break
			}
			if tries > 20 {
				t.Fatalf("it does not get on: %v", err)
			}
		}
		if got := tables.largest; got > 10 {
			t.Errorf("a batch of %d rows was written, ten take as long as the timeout", got)
		}
		tables.perRow = 0
		placeOrders(40, 200)
		if err := f.CatchUp(t.Context()); err != nil || tables.largest != f.Batch {
			t.Errorf("afterwards the largest batch had %d rows, want %d: %v", tables.largest, f.Batch, err)
		}
	})
}

// slowTables takes so long for each row.
type slowTables struct {
	*memory.Tables
	perRow  time.Duration
	largest int
}

func (s *slowTables) Write(ctx context.Context, t projection.Table, c []projection.Change) ([]string, error) {
	if err := wait.For(ctx, time.Duration(len(c))*s.perRow); err != nil {
		return nil, err
	}
	s.largest = max(s.largest, len(c))
	return s.Tables.Write(ctx, t, c)
}
