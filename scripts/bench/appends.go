package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/dynamo"
	"gakushoku/internal/store/sqlite"
)

// runAppends measures durable appends of one event at several numbers of clients, on the embedded store and
// on DynamoDB Local. Each round measures both in turn.
func runAppends(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("appends", flag.ContinueOnError)
	duration := flags.Duration("for", 5*time.Second, "how long each measurement takes")
	rounds := flags.Int("rounds", 3, "how often each is measured; the median counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gakushoku-appends-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	embedded, err := sqlite.OpenEvents(ctx, filepath.Join(dir, "events.db"))
	if err != nil {
		return err
	}
	defer embedded.Close()
	stores := []namedStore{{"embedded", embedded}}
	if local, err := startDynamoLocal(ctx); err != nil {
		r.leaveOut("appends on DynamoDB Local", err)
	} else {
		defer local.stop()
		table := "events-" + observe.NewID()
		if err := dynamo.CreateEventTable(ctx, local.client(), table); err != nil {
			return fmt.Errorf("making a table on DynamoDB Local: %w", err)
		}
		stores = append(stores, namedStore{"DynamoDB Local", dynamo.NewEvents(local.client(), table)})
	}
	return raceAppends(ctx, stores, *duration, *rounds, r)
}

func raceAppends(ctx context.Context, stores []namedStore, d time.Duration, rounds int, r *report) error {
	for _, s := range stores { // Java is slow until it has compiled what is called often
		if _, err := measureAppends(ctx, s.store, clientCounts[len(clientCounts)-1], d); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "clients\tstore\tappends/s\tp50 ms\tp95 ms\t")
	for _, clients := range clientCounts {
		loads := make([][]load, len(stores))
		for range rounds {
			for i, s := range stores {
				times, err := measureAppends(ctx, s.store, clients, d)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				loads[i] = append(loads[i], loadOf(times, d))
			}
		}
		middle := make([]load, len(stores))
		for i, s := range stores {
			middle[i] = medianLoad(loads[i])
			fmt.Fprintf(table, "%d\t%s\t%.0f\t%.2f\t%.2f\t\n", clients, s.name, middle[i].rate, middle[i].p50, middle[i].p95)
		}
		reportAppends(r, clients, stores, middle)
	}
	return table.Flush()
}

// reportAppends compares the first store with the second, if there is one.
func reportAppends(r *report, clients int, stores []namedStore, loads []load) {
	what := fmt.Sprintf("durable appends, %s", plural(clients, "client"))
	beside, theirs := "", load{}
	if len(loads) > 1 {
		beside, theirs = stores[1].name, loads[1]
	}
	r.add(figure{what: what, ours: loads[0].rate, unit: "/s", baseline: beside, theirs: theirs.rate})
	r.add(figure{what: what + ": p50", ours: loads[0].p50, unit: "ms", baseline: beside, theirs: theirs.p50})
	r.add(figure{what: what + ": p95", ours: loads[0].p95, unit: "ms", baseline: beside, theirs: theirs.p95})
}

type namedStore struct {
	name  string
	store eventstore.Appender
}

func measureAppends(ctx context.Context, store eventstore.Appender, clients int, d time.Duration) ([]float64, error) {
	var mu sync.Mutex
	var times []float64
	var failure error
	until := time.Now().Add(d)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			own, err := appendUntil(ctx, store, until)
			mu.Lock()
			defer mu.Unlock()
			times = append(times, own...)
			failure = errors.Join(failure, err)
		})
	}
	group.Wait()
	return times, failure
}

// appendUntil places orders one after another and returns the time of each in milliseconds.
func appendUntil(ctx context.Context, store eventstore.Appender, until time.Time) ([]float64, error) {
	var times []float64
	for time.Now().Before(until) && ctx.Err() == nil {
		id := observe.NewID()
		e, err := event.New(order.Placed{OrderID: id, Total: 780, Lines: []order.Line{{Product: "katsu curry", Quantity: 1, UnitPrice: 780}}})
		if err != nil {
			return times, err
		}
		e.ID, e.OccurredAt, e.CorrelationID, e.CommandID = observe.NewID(), event.InstantOf(time.Now()), id, id
		started := time.Now()
		if err := store.Append(ctx, order.Stream(id), 0, []event.Event{e}); err != nil {
			return times, err
		}
		times = append(times, time.Since(started).Seconds()*1000)
	}
	return times, ctx.Err()
}
