package verify_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

const (
	benchOrders = 200_000
	benchEvents = 5 // of each
)

// benchStores are a day's orders and their rows on disk. Orders come a hundred at a time, so
// that the events of one lie apart, as they do in a canteen.
func benchStores(b *testing.B) (*sqlite.Events, *sqlite.Tables) {
	b.Helper()
	dir := b.TempDir()
	events, err := sqlite.OpenEvents(b.Context(), filepath.Join(dir, "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { events.Close() })
	tables := sqlite.OpenTables(dir)
	b.Cleanup(func() { tables.Close() })
	if err := tables.Create(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	part, err := replay.NewPart(replay.PartOptions{Definition: orders, Now: start})
	if err != nil {
		b.Fatal(err)
	}
	err = events.AppendAll(b.Context(), func(add func(string, uint64, []event.Event) error) error {
		var number uint64
		for first := 0; first < benchOrders; first += 100 {
			for step := range benchEvents {
				for i := first; i < first+100; i++ {
					e := benchEvent(b, i, step)
					if err := add(e.Stream, uint64(step), []event.Event{e}); err != nil {
						return err
					}
					number++
					e.Version = uint64(step + 1)
					if err := part.Add(event.AppendJSON(nil, &e), number, number); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	bulk, _ := part.Bulk("all")
	if _, err := tables.PutPart(b.Context(), table, bulk); err != nil {
		b.Fatal(err)
	}
	if err := tables.Finish(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	return events, tables
}

func benchEvent(b *testing.B, n, step int) event.Event {
	id := fmt.Sprintf("01KFPMSV005669FBH3%08d", n)
	p := []event.Payload{
		order.Placed{OrderID: id, Total: 880, Lines: []order.Line{{Product: "karaage-don", Quantity: 1, UnitPrice: 480}, {Product: "miso-soup", Quantity: 4, UnitPrice: 100}}},
		order.Paid{OrderID: id, PaidAt: start + 60_000, Method: order.MethodCard},
		order.PreparationStarted{OrderID: id}, order.Ready{OrderID: id}, order.PickedUp{OrderID: id},
	}[step]
	e := newEvent(b, order.Stream(id), step+1, start+event.Instant(n*400+step*60_000), p)
	e.ID, e.Stream = fmt.Sprintf("01KFPMSV00PMHN533D%07d%d", n, step), order.Stream(id)
	return e
}

func BenchmarkTable(b *testing.B) {
	events, tables := benchStores(b)
	for name, store := range map[string]projection.Store{"a snapshot": tables, "the live table": onlyStore{tables}} {
		b.Run(name, func(b *testing.B) {
			v := &verify.Verifier{Tables: store, Streams: events, LagBound: time.Second, Now: time.Now}
			b.ReportAllocs()
			for b.Loop() {
				r, err := v.Table(b.Context(), orders, table, verify.Options{})
				if err != nil || !r.Sound() || r.Events != benchOrders*benchEvents {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(benchOrders*benchEvents*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
