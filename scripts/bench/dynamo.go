package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/command"
	"gakushoku/internal/dynamo"
	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/observe"
	"gakushoku/internal/order"
	"gakushoku/internal/projection"
)

// dynamoEndpointEnv names a DynamoDB Local, as scripts/dynamodb-local sets it.
const dynamoEndpointEnv = "DYNAMODB_ENDPOINT"

// localClient speaks to DynamoDB Local, which takes any credentials.
func localClient(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(os.Getenv(dynamoEndpointEnv)),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, options...)
}

// dynamoLocal makes an event table of its own on DynamoDB Local.
func dynamoLocal(ctx context.Context) (eventstore.Store, error) {
	client := localClient()
	table := "events-" + observe.NewID()
	if err := dynamo.CreateEventTable(ctx, client, table); err != nil {
		return nil, err
	}
	return dynamo.NewEvents(client, table), nil
}

// writeUnits sums what the store says that writes have consumed, by the kind of table.
type writeUnits struct {
	mu           sync.Mutex
	events, rows float64
}

func (u *writeUnits) observe(table string, _, units float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if strings.HasPrefix(table, "events-") {
		u.events += units
	} else {
		u.rows += units
	}
}

func (u *writeUnits) take() (events, rows float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	events, rows = u.events, u.rows
	u.events, u.rows = 0, 0
	return events, rows
}

// life is the steps of an order whose cost is counted.
var life = []order.Command{
	order.PayOrder{Method: event.MethodCard}, order.StartPreparing{}, order.MarkReady{}, order.PickUp{},
}

// runUnits counts the write units of an order's life, as DynamoDB Local answers them: once with
// every event projected alone, once with the same step of 50 orders in one batch.
func runUnits(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("units", flag.ContinueOnError)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if os.Getenv(dynamoEndpointEnv) == "" {
		return errors.New("DYNAMODB_ENDPOINT is not set: go run ./scripts/dynamodb-local -- go run ./scripts/bench units")
	}
	fmt.Printf("%-10s %-16s %14s %14s\n", "batch of", "step", "event units", "row units")
	for _, orders := range []int{1, projection.MaxWrite} {
		if err := countUnits(ctx, orders); err != nil {
			return err
		}
	}
	return nil
}

func countUnits(ctx context.Context, orders int) error {
	units := &writeUnits{}
	client := localClient(dynamo.ObserveCapacity(units.observe))
	id := observe.NewID()
	if err := errors.Join(dynamo.CreateEventTable(ctx, client, "events-"+id), dynamo.CreateControlTable(ctx, client, "control-"+id)); err != nil {
		return err
	}
	events, control := dynamo.NewEvents(client, "events-"+id), dynamo.NewControl(client, "control-"+id)
	tables := dynamo.NewTables(client, dynamo.Options{Prefix: id + "-"})
	if err := projection.Ensure(ctx, control, tables, projection.Orders()); err != nil {
		return err
	}
	commands := &command.Handler{Streams: events, Now: time.Now, NewID: observe.NewID}
	projector := &projection.Projector{
		Definitions: []projection.Definition{projection.Orders()},
		Pointers:    &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
		Tables:      tables, Streams: events, Now: time.Now,
	}
	// The day's first order also marks the day as one that has orders.
	if err := step(ctx, commands, projector, []string{"warm-up"}, nil); err != nil {
		return err
	}
	units.take()
	ids := make([]string, orders)
	for i := range ids {
		ids[i] = observe.NewID()
	}
	var allEvents, allRows float64
	for _, c := range append([]order.Command{nil}, life...) {
		if err := step(ctx, commands, projector, ids, c); err != nil {
			return err
		}
		e, r := units.take()
		allEvents, allRows = allEvents+e, allRows+r
		name := "PlaceOrder"
		if c != nil {
			name = c.CommandName()
		}
		fmt.Printf("%-10d %-16s %14.2f %14.2f\n", orders, name, e/float64(orders), r/float64(orders))
	}
	fmt.Printf("%-10d %-16s %14.2f %14.2f\n", orders, "whole life", allEvents/float64(orders), allRows/float64(orders))
	return nil
}

// step carries a command out for each order (nil places it) and projects the events in one batch.
func step(ctx context.Context, commands *command.Handler, projector *projection.Projector, ids []string, c order.Command) error {
	total := int64(780)
	var batch []event.Event
	for _, id := range ids {
		var result command.OrderResult
		var err error
		if c == nil {
			result, err = commands.PlaceOrder(ctx, order.PlaceOrder{OrderID: id, Total: &total}, "")
		} else {
			result, err = commands.ChangeOrder(ctx, id, c, "")
		}
		if err != nil {
			return err
		}
		batch = append(batch, result.Events...)
	}
	return projector.Apply(ctx, batch).Err()
}
