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

	till "gakushoku/internal/app/counter"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
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
	for _, kind := range []struct {
		name string
		open func(*dynamo.Events, *dynamo.Control, *dynamo.Tables) *counter
	}{{"an order's life", withoutCheckout}, {"with stock and checkout", withCheckout}} {
		for _, orders := range []int{1, projection.MaxWrite} {
			fmt.Fprintf(table, "%s\t\t\t\t\t\t\n", kind.name)
			rules, counted, err := countUnits(ctx, local, kind.open, orders, table)
			if err != nil {
				return err
			}
			what := fmt.Sprintf("%s, %d projected at a time: ", kind.name, orders)
			const beside = "DynamoDB Local's count"
			r.add(figure{what: what + "events, AWS's rules", ours: rules.events, unit: "write units", baseline: beside, theirs: counted.events})
			r.add(figure{what: what + "rows, AWS's rules", ours: rules.rows, unit: "write units", baseline: beside, theirs: counted.rows})
		}
	}
	return table.Flush()
}

// countUnits executes the steps of a number of orders, and returns the cost of one of them.
func countUnits(ctx context.Context, local *dynamoLocal, open func(*dynamo.Events, *dynamo.Control, *dynamo.Tables) *counter, orders int, table *tabwriter.Writer) (rules, counted writeUnits, err error) {
	var byRules, answered meter
	c, err := onDynamo(ctx, local, open, &byRules, &answered)
	if err != nil {
		return rules, counted, err
	}
	// The day's first order also marks the day as having orders.
	if err := c.step(ctx, []string{"warm-up"}, nil); err != nil {
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
	for _, sent := range append([]order.Command{nil}, life...) {
		if err := c.step(ctx, ids, sent); err != nil {
			return rules, counted, err
		}
		r, a := byRules.take(orders), answered.take(orders)
		rules, counted = rules.plus(r), counted.plus(a)
		name := "PlaceOrder"
		if sent != nil {
			name = sent.CommandName()
		}
		print(name, r, a)
	}
	print("whole life", rules, counted)
	return rules, counted, nil
}

// counter takes orders, and brings the read models up to date after each step.
type counter struct {
	commands  *command.Handler
	projector *projection.Projector
	place     func(id string) order.Command
	complete  func(context.Context, model.Command) (model.Command, error) // nil for orders without a checkout
	worker    *process.Worker                                             // likewise
	sold      uint64                                                      // version of the stock that is projected
}

// onDynamo returns a counter on separate tables, observed by the meters.
func onDynamo(ctx context.Context, local *dynamoLocal, open func(*dynamo.Events, *dynamo.Control, *dynamo.Tables) *counter, byRules, answered *meter) (*counter, error) {
	client := local.client(dynamo.PriceByRules(byRules.observe), dynamo.ObserveCapacity(answered.observe))
	id := observe.NewID()
	if err := errors.Join(dynamo.CreateEventTable(ctx, client, "events-"+id), dynamo.CreateControlTable(ctx, client, "control-"+id)); err != nil {
		return nil, err
	}
	control, tables := dynamo.NewControl(client, "control-"+id), dynamo.NewTables(client, dynamo.Options{Prefix: id + "-"})
	c := open(dynamo.NewEvents(client, "events-"+id), control, tables)
	for _, d := range c.projector.Projections {
		if err := projection.Ensure(ctx, control, tables, d); err != nil {
			return nil, err
		}
	}
	return c, c.setUp(ctx)
}

func withoutCheckout(events *dynamo.Events, control *dynamo.Control, tables *dynamo.Tables) *counter {
	total := int64(780)
	return &counter{
		commands: &command.Handler{Streams: events, Now: time.Now, NewID: observe.NewID},
		projector: &projection.Projector{
			Projections: []model.Projection{readmodel.Orders()},
			Pointers:    &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
			Tables:      tables, Streams: events, Now: time.Now,
		},
		place: func(id string) order.Command { return order.PlaceOrder{OrderID: id, Total: &total} },
	}
}

// dish is what every order takes one portion of, when there is a menu.
const dish = "katsu-curry"

func withCheckout(events *dynamo.Events, control *dynamo.Control, tables *dynamo.Tables) *counter {
	ports := &wiring.Ports{
		Events: events, Tables: tables, Control: control,
		Pointers: &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
	}
	commands := ports.Commands()
	return &counter{
		commands: commands, projector: ports.Projector(), complete: ports.Counter(till.DefaultLimits).Complete, worker: ports.Checkout(commands, nil),
		place: func(id string) order.Command {
			return order.PlaceOrder{OrderID: id, Lines: []order.Line{{ProductID: dish, Quantity: 1}}}
		},
	}
}

// setUp puts the dish on the menu, and portions of it.
func (c *counter) setUp(ctx context.Context) error {
	if c.worker == nil {
		return nil
	}
	details := menu.Details{NameJa: "カツカレー", Price: 680, Offered: true}
	_, err := command.Execute(ctx, c.commands, menu.ProductRules, command.Request[menu.ProductCommand]{ID: dish, Command: menu.SetProduct{ProductID: dish, Details: details}})
	if err != nil {
		return err
	}
	id := c.stockID()
	_, err = command.Execute(ctx, c.commands, stock.Rules, command.Request[stock.Command]{ID: id, Command: stock.SetPortions{StockID: id, Portions: 10_000}})
	return err
}

func (c *counter) stockID() string { return stock.ID(day.Of(event.InstantOf(time.Now())), dish) }

// step executes a command for each order (nil places it) with what it leads to, and projects the events in one
// batch.
func (c *counter) step(ctx context.Context, ids []string, sent order.Command) error {
	var batch []event.Event
	for _, id := range ids {
		appended, err := c.execute(ctx, id, sent)
		if err != nil {
			return err
		}
		batch = append(batch, appended...)
	}
	if c.worker != nil {
		moved, err := c.commands.Streams.Load(ctx, stock.Rules.Kind.Stream(c.stockID()), c.sold)
		if err != nil {
			return err
		}
		c.sold += uint64(len(moved))
		batch = append(batch, moved...)
	}
	return c.projector.Apply(ctx, batch).Err()
}

// execute executes a command for one order, and returns what was appended to its stream.
func (c *counter) execute(ctx context.Context, id string, sent order.Command) ([]event.Event, error) {
	r := command.Request[order.Command]{ID: id, Command: sent}
	if sent == nil {
		r.Command = c.place(id)
	}
	if c.complete != nil {
		r.Complete = func(ctx context.Context, sent order.Command) (order.Command, error) {
			whole, err := c.complete(ctx, sent)
			if err != nil {
				return nil, err
			}
			return whole.(order.Command), nil
		}
	}
	result, err := command.Execute(ctx, c.commands, order.Rules, r)
	if err != nil || c.worker == nil {
		return result.Events, err
	}
	history, err := c.worker.Drive(ctx, order.Stream(id), result.History)
	if err != nil {
		return nil, err
	}
	return history[int(result.Version)-len(result.Events):], nil
}
