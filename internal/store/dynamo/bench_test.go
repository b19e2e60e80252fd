package dynamo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// BenchmarkAppend is new orders placed by several clients at once: appends a second, and how
// long one takes.
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			store := NewEvents(realClient(b), newEventTable(b))
			times := make([]time.Duration, b.N)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range clients {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						started := time.Now()
						if err := store.Append(b.Context(), fmt.Sprintf("order-%d", i), 0, []event.Event{testEvent(newName(""))}); err != nil {
							b.Error(err)
							return
						}
						times[i] = time.Since(started)
					}
				})
			}
			wg.Wait()
			slices.Sort(times)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			b.ReportMetric(milliseconds(times[len(times)/2]), "p50-ms")
			b.ReportMetric(milliseconds(times[len(times)*95/100]), "p95-ms")
		})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// life is an order's commands from the counter to the guest.
var life = []order.Command{order.PayOrder{Method: order.MethodCard}, order.StartPreparing{}, order.MarkReady{}, order.PickUp{}}

// BenchmarkOrderLife counts the units of orders that are placed, paid, prepared, ready and
// picked up, with the projection of every event: by AWS's rules, and as the store answers.
// The two differ on DynamoDB Local, which miscounts transactions. The projector gets batch
// events at a time, of different orders, as it does under load.
func BenchmarkOrderLife(b *testing.B) {
	for _, batch := range []int{1, 10, projection.MaxWrite} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			var used, answered units
			client := realClient(b, used.byRules, ObserveCapacity(answered.observe))
			events, tables := NewEvents(client, newEventTable(b)), newTables(b, used.byRules, ObserveCapacity(answered.observe))
			handler := &command.Handler{Streams: events, Now: time.Now, NewID: observe.NewID}
			projector := newProjector(b, tables, events)
			used.reset()
			answered.reset()
			b.ResetTimer()
			orders := 0
			for range b.N {
				orders += batch
				liveBatch(b, handler, projector, batch)
			}
			for metric, total := range map[string]float64{
				"events-WU/order": used.events, "rows-WU/order": used.rows,
				"answered-rows-WU/order": answered.rows, "events-RU/order": answered.eventsRead, "rows-RU/order": answered.rowsRead,
			} {
				b.ReportMetric(total/float64(orders), metric)
			}
		})
	}
}

func newProjector(b *testing.B, tables *Tables, events *Events) *projection.Projector {
	control := NewControl(realClient(b), newControlTable(b))
	if err := projection.Ensure(b.Context(), control, tables, readmodel.Orders()); err != nil {
		b.Fatal(err)
	}
	return &projection.Projector{
		Projections: []model.Projection{readmodel.Orders()},
		Pointers:    &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
		Tables:      tables, Streams: events, Now: time.Now,
	}
}

// liveBatch lives as many orders at once, step by step, and projects each step in one go.
func liveBatch(b *testing.B, handler *command.Handler, projector *projection.Projector, count int) {
	ctx := context.Background()
	ids := make([]string, count)
	var placed []event.Event
	for i := range ids {
		ids[i] = observe.NewID()
		lines := []order.Line{{Product: "唐揚げ丼", Quantity: 1, UnitPrice: 580}, {Product: "味噌汁", Quantity: 2, UnitPrice: 100}}
		result, err := command.Execute(ctx, handler, order.Rules, command.Request[order.Command]{Command: order.PlaceOrder{OrderID: ids[i], Lines: lines}, Key: ""})
		if err != nil {
			b.Fatal(err)
		}
		placed = append(placed, result.Events...)
	}
	projectAll(b, projector, placed)
	for _, step := range life {
		var done []event.Event
		for _, id := range ids {
			result, err := command.Execute(ctx, handler, order.Rules, command.Request[order.Command]{ID: id, Command: step, Key: ""})
			if err != nil {
				b.Fatal(err)
			}
			done = append(done, result.Events...)
		}
		projectAll(b, projector, done)
	}
}

func projectAll(b *testing.B, projector *projection.Projector, events []event.Event) {
	if err := projector.Apply(context.Background(), events).Err(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWrite is a full write of new rows, with totals in one transaction and without.
func BenchmarkWrite(b *testing.B) {
	for name, totals := range map[string][]model.Contribution{"totals": {oneOrder()}, "rows": nil} {
		b.Run(name, func(b *testing.B) {
			tables := newTables(b)
			changes := make([]projection.Change, projection.MaxWrite)
			b.ResetTimer()
			for n := range b.N {
				for i := range changes {
					changes[i] = testChange(fmt.Sprintf("order-%d-%d", n, i), 1, totals...)
				}
				if late, err := tables.Write(b.Context(), ordersV1, changes); err != nil || len(late) > 0 {
					b.Fatal(late, err)
				}
			}
			b.ReportMetric(float64(b.N*len(changes))/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
