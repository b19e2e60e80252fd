package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/dynamo"
)

// writeUnits sums the consumed write units by the kind of table.
type writeUnits struct{ events, rows float64 }

func (u writeUnits) plus(v writeUnits) writeUnits {
	return writeUnits{u.events + v.events, u.rows + v.rows}
}

// meter records what a client observes.
type meter struct {
	mu  sync.Mutex
	sum writeUnits
}

func (m *meter) observe(table string, _, units float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if strings.HasPrefix(table, "events-") {
		m.sum.events += units
	} else {
		m.sum.rows += units
	}
}

// take returns what was observed since the last call, divided by a number of orders.
func (m *meter) take(orders int) writeUnits {
	m.mu.Lock()
	defer m.mu.Unlock()
	each := writeUnits{m.sum.events / float64(orders), m.sum.rows / float64(orders)}
	m.sum = writeUnits{}
	return each
}

// life lists the steps of an order whose cost is counted.
var life = []order.Command{
	order.PayOrder{Method: order.MethodCard}, order.StartPreparing{}, order.MarkReady{}, order.PickUp{},
}

// runUnits counts the write units of an order's life in two ways, by the published rules and as DynamoDB
// Local counts them: its counts do not grow with the items of a transaction as AWS's prices do. It projects
// every event alone, and then each step of 50 orders in one batch.
func runUnits(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("units", flag.ContinueOnError)
	if err := flags.Parse(args); err != nil {
		return err
	}
	local, err := startDynamoLocal(ctx)
	if err != nil {
		r.leaveOut("write units", err)
		return ctx.Err()
	}
	defer local.stop()
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "batch of\tstep\tevents: AWS's rules\tthe store's count\trows: AWS's rules\tthe store's count\t")
	for _, orders := range []int{1, projection.MaxWrite} {
		rules, counted, err := countUnits(ctx, local, orders, table)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("an order's life, %d projected at a time: ", orders)
		const beside = "DynamoDB Local's count"
		r.add(figure{what: what + "events, AWS's rules", ours: rules.events, unit: "write units", baseline: beside, theirs: counted.events})
		r.add(figure{what: what + "rows, AWS's rules", ours: rules.rows, unit: "write units", baseline: beside, theirs: counted.rows})
	}
	return table.Flush()
}

// countUnits executes the steps of a number of orders, and returns the cost of one of them.
func countUnits(ctx context.Context, local *dynamoLocal, orders int, table *tabwriter.Writer) (rules, counted writeUnits, err error) {
	var byRules, answered meter
	commands, projector, err := onDynamo(ctx, local, &byRules, &answered)
	if err != nil {
		return rules, counted, err
	}
	// The day's first order also marks the day as having orders.
	if err := step(ctx, commands, projector, []string{"warm-up"}, nil); err != nil {
		return rules, counted, err
	}
	byRules.take(1)
	answered.take(1)
	ids := make([]string, orders)
	for i := range ids {
		ids[i] = observe.NewID()
	}
	print := func(step string, r, a writeUnits) {
		fmt.Fprintf(table, "%d\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", orders, step, r.events, a.events, r.rows, a.rows)
	}
	for _, c := range append([]order.Command{nil}, life...) {
		if err := step(ctx, commands, projector, ids, c); err != nil {
			return rules, counted, err
		}
		r, a := byRules.take(orders), answered.take(orders)
		rules, counted = rules.plus(r), counted.plus(a)
		name := "PlaceOrder"
		if c != nil {
			name = c.CommandName()
		}
		print(name, r, a)
	}
	print("whole life", rules, counted)
	return rules, counted, nil
}

// onDynamo returns commands and their projection on separate tables, observed by the meters.
func onDynamo(ctx context.Context, local *dynamoLocal, byRules, answered *meter) (*command.Handler, *projection.Projector, error) {
	client := local.client(dynamo.PriceByRules(byRules.observe), dynamo.ObserveCapacity(answered.observe))
	id := observe.NewID()
	if err := errors.Join(dynamo.CreateEventTable(ctx, client, "events-"+id), dynamo.CreateControlTable(ctx, client, "control-"+id)); err != nil {
		return nil, nil, err
	}
	events, control := dynamo.NewEvents(client, "events-"+id), dynamo.NewControl(client, "control-"+id)
	tables := dynamo.NewTables(client, dynamo.Options{Prefix: id + "-"})
	if err := projection.Ensure(ctx, control, tables, readmodel.Orders()); err != nil {
		return nil, nil, err
	}
	return &command.Handler{Streams: events, Now: time.Now, NewID: observe.NewID}, &projection.Projector{
		Projections: []model.Projection{readmodel.Orders()},
		Pointers:    &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
		Tables:      tables, Streams: events, Now: time.Now,
	}, nil
}

// step executes a command for each order (nil places it) and projects the events in one batch.
func step(ctx context.Context, commands *command.Handler, projector *projection.Projector, ids []string, c order.Command) error {
	total := int64(780)
	var batch []event.Event
	for _, id := range ids {
		var result command.Result[order.State]
		var err error
		if c == nil {
			result, err = command.Execute(ctx, commands, order.Rules, command.Request[order.Command]{Command: order.PlaceOrder{OrderID: id, Total: &total}, Key: ""})
		} else {
			result, err = command.Execute(ctx, commands, order.Rules, command.Request[order.Command]{ID: id, Command: c, Key: ""})
		}
		if err != nil {
			return err
		}
		batch = append(batch, result.Events...)
	}
	return projector.Apply(ctx, batch).Err()
}
