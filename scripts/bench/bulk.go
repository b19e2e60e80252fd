package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/dynamo"
)

// runBulk measures the writes of a rebuild on DynamoDB Local: the rows of parts, as the workers of the state
// machine put them, and the write units of a row by AWS's rules.
func runBulk(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("bulk", flag.ContinueOnError)
	rows := flags.Int("rows", 20_000, "rows of a table version")
	rounds := flags.Int("rounds", 3, "how often a table is filled; the median counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rows < bulkParts || *rounds < 1 {
		return fmt.Errorf("-rows %d, -rounds %d: at least %d rows and 1 round are needed", *rows, *rounds, bulkParts)
	}
	local, err := startDynamoLocal(ctx)
	if err != nil {
		r.leaveOut("bulk writes", err)
		return ctx.Err()
	}
	defer local.stop()
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "workers\trows/s\twrite units a row\t")
	for _, workers := range []int{1, 4} {
		var rates []float64
		var units float64
		for round := range *rounds + 1 {
			rate, each, err := fillTable(ctx, local, *rows, workers)
			if err != nil {
				return err
			}
			if round > 0 { // the first round warms Java up
				rates, units = append(rates, rate), each
			}
		}
		rate := medianOf(rates, func(f float64) float64 { return f })
		fmt.Fprintf(table, "%d\t%.0f\t%.3f\t\n", workers, rate, units)
		r.add(figure{what: "rows of a rebuild on DynamoDB Local, " + plural(workers, "worker"), ours: rate, unit: "/s"})
		if workers == 1 {
			// The row itself takes one; its entry in the index for lists takes another.
			r.add(figure{what: "write units of a row of a rebuild, totals included", ours: units, unit: "write units", aim: below(2.1)})
		}
	}
	return table.Flush()
}

// bulkParts is how many parts the rows are divided into, like the log.
const bulkParts = 16

// fillTable fills a new table version. It returns the rows per second and the write units per row.
func fillTable(ctx context.Context, local *dynamoLocal, rows, workers int) (rate, units float64, err error) {
	var byRules meter
	tables := dynamo.NewTables(local.client(dynamo.PriceByRules(byRules.observe)), dynamo.Options{Prefix: observe.NewID() + "-"})
	t := projection.Table{Projection: readmodel.OrdersName, Version: 1}
	if err := tables.Create(ctx, t); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for part := range bulkParts {
		group.Go(func() error {
			_, err := tables.PutPart(groupCtx, t, bulkPart(part, rows))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	if err := tables.Finish(ctx, t); err != nil {
		return 0, 0, err
	}
	rate = float64(rows) / time.Since(started).Seconds()
	return rate, byRules.take(rows).rows, tables.Drop(ctx, t)
}

// bulkPart returns every sixteenth order of some hundred days, paid for, with the totals of those days.
func bulkPart(part, rows int) projection.BulkPart {
	const day = 24 * time.Hour
	totals := map[string]int64{}
	for i := part; i < rows; i += bulkParts {
		totals[fmt.Sprintf("2026-%02d-%02d", 1+i%4, 1+i%28)]++
	}
	return projection.BulkPart{
		Name: fmt.Sprintf("p%02d", part),
		Rows: func(yield func(projection.Record, error) bool) {
			for i := part; i < rows; i += bulkParts {
				at := event.InstantOf(time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC).Add(time.Duration(i%100) * day))
				row := readmodel.Order{OrderID: fmt.Sprintf("%026d", i), Status: "PICKED_UP", Total: 780, PlacedAt: at, PaidAt: at, PickedUpAt: at}
				data, err := json.Marshal(&row)
				if !yield(projection.Record{Stream: order.Stream(row.OrderID), Version: 5, Data: data, Place: row.Place()}, err) {
					return
				}
			}
		},
		Totals: func() []model.Contribution {
			var all []model.Contribution
			for key, amount := range totals {
				all = append(all, model.Contribution{Key: key, Field: "orders", Amount: amount})
			}
			return all
		},
	}
}
