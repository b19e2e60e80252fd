package readmodel_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is what a log comes to: rows and totals.
type golden struct {
	Rows   map[string]model.Row        `json:"rows"`
	Totals map[string]map[string]int64 `json:"totals"`
}

// TestGoldenRows fails when a fold makes other rows of the same events. Then the fold needs a new revision and
// a new golden file beside the old one; the old file never changes.
func TestGoldenRows(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct {
		projection model.Projection
		logs       []string
	}{
		"orders-revision-1.json":     {readmodel.OrdersV1(), []string{"log.jsonl"}},
		"orders-revision-2.json":     {readmodel.Orders(), []string{"log.jsonl", "checkout.jsonl"}},
		"products-revision-1.json":   {readmodel.Products(), []string{"menu.jsonl"}},
		"categories-revision-1.json": {readmodel.Categories(), []string{"menu.jsonl"}},
		"stock-revision-1.json":      {readmodel.Stocks(), []string{"menu.jsonl"}},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			got := golden{Rows: map[string]model.Row{}, Totals: map[string]map[string]int64{}}
			for _, log := range c.logs {
				got.fold(t, c.projection, filepath.Join("testdata", log))
			}
			got.compare(t, filepath.Join("testdata", file))
		})
	}
}

func (g *golden) fold(t *testing.T, d model.Projection, path string) {
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		var e event.Event
		if err := event.Decode(bytes.TrimSpace(line), &e); err != nil {
			t.Fatal(err)
		}
		if err := event.Check(&e); err != nil {
			t.Fatal(err)
		}
		if !d.Folds(e.Stream) {
			continue
		}
		if g.Rows[e.Stream] == nil {
			g.Rows[e.Stream] = d.NewRow()
		}
		if err := g.Rows[e.Stream].Apply(&e); err != nil {
			t.Fatal(err)
		}
	}
}

func (g *golden) compare(t *testing.T, path string) {
	g.Totals = map[string]map[string]int64{}
	for _, row := range g.Rows {
		for _, c := range row.Contributions() {
			if g.Totals[c.Key] == nil {
				g.Totals[c.Key] = map[string]int64{}
			}
			g.Totals[c.Key][c.Field] += c.Amount
		}
	}
	encoded, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	encoded = append(encoded, '\n')
	if *update {
		if err := os.WriteFile(path, encoded, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(encoded)); diff != "" {
		t.Errorf("the fold makes other rows (-golden +now):\n%s", diff)
	}
}

func TestAnEventThatCannotBeAppliedChangesNothing(t *testing.T) {
	t.Parallel()
	for _, p := range []event.Payload{
		order.Paid{OrderID: "o1", Method: order.MethodCard}, order.Ready{OrderID: "o1"},
		order.Cancelled{OrderID: "o1"}, order.Refunded{OrderID: "o1", Amount: 1, Method: order.MethodCash},
	} {
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		var row readmodel.Order
		if row.Apply(&e) == nil {
			t.Errorf("%s for an unknown order: no error", e.Type)
		}
		if diff := cmp.Diff(readmodel.Order{}, row); diff != "" {
			t.Errorf("%s changed the row:\n%s", e.Type, diff)
		}
	}
}

// Logs that older versions took in have such events. Their streams are set aside: sums of what is left
// cannot wrap, and every day can be asked for.
func TestAnEventThatTotalsHaveNoRoomForCannotBeApplied(t *testing.T) {
	t.Parallel()
	late, err := event.ParseInstant("9999-12-31T15:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		placed bool // before it
		p      event.Payload
		at     event.Instant
		good   bool
	}{
		"the largest total":              {false, order.Placed{OrderID: "o1", Total: model.MaxAmount}, late - 1, true},
		"an order in the year 10000":     {false, order.Placed{OrderID: "o1", Total: 1}, late, false},
		"a payment in the year 10000":    {true, order.Paid{OrderID: "o1", PaidAt: late, Method: order.MethodCard}, 1, false},
		"a cancelling in the year 10000": {true, order.Cancelled{OrderID: "o1"}, late, false},
	} {
		var row readmodel.Order
		if tc.placed {
			if err := apply(t, &row, order.Placed{OrderID: "o1", Total: 1}, 1); err != nil {
				t.Fatal(err)
			}
		}
		before := row
		err := apply(t, &row, tc.p, tc.at)
		if diff := cmp.Diff(before, row); (err == nil) != tc.good || !tc.good && diff != "" {
			t.Errorf("%s: %v, changed the row:\n%s", name, err, diff)
		}
	}
}
