package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/observe"
	"gakushoku/internal/sqlite"
)

// runAppends measures durable appends of one event at several numbers of clients, on the
// embedded store and, when DYNAMODB_ENDPOINT names one, on DynamoDB Local:
//
//	go run ./scripts/dynamodb-local -- go run ./scripts/bench appends
func runAppends(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("appends", flag.ContinueOnError)
	seconds := flags.Duration("for", 5*time.Second, "how long each measurement takes")
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
	stores := []namedStore{{"embedded", embedded}}
	if os.Getenv(dynamoEndpointEnv) == "" {
		fmt.Printf("(DynamoDB Local is left out: %s is not set; see go run ./scripts/dynamodb-local -h)\n", dynamoEndpointEnv)
	} else {
		local, err := dynamoLocal(ctx)
		if err != nil {
			return errors.Join(err, embedded.Close())
		}
		stores = append(stores, namedStore{"DynamoDB Local", local})
	}
	fmt.Printf("%-26s %12s %10s %10s\n", "appends", "appends/s", "p50 ms", "p95 ms")
	for _, clients := range []int{1, 8, 32} {
		for _, s := range stores {
			times, err := measureAppends(ctx, s.store, clients, *seconds)
			if err != nil {
				return errors.Join(err, embedded.Close())
			}
			fmt.Printf("%-26s %12.0f %10.2f %10.2f\n", fmt.Sprintf("%s, %d clients", s.name, clients),
				float64(len(times))/seconds.Seconds(), percentile(times, 50), percentile(times, 95))
		}
	}
	return embedded.Close()
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
		e, err := event.New(event.OrderPlaced{OrderID: id, Total: 780, Lines: []event.Line{{Product: "katsu curry", Quantity: 1, UnitPrice: 780}}})
		if err != nil {
			return times, err
		}
		e.ID, e.OccurredAt, e.CorrelationID, e.CommandID = observe.NewID(), event.InstantOf(time.Now()), id, id
		started := time.Now()
		if err := store.Append(ctx, event.OrderStream(id), 0, []event.Event{e}); err != nil {
			return times, err
		}
		times = append(times, time.Since(started).Seconds()*1000)
	}
	return times, ctx.Err()
}
