package readmodel_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
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
	Rows   map[string]*readmodel.Order `json:"rows"`
	Totals map[string]map[string]int64 `json:"totals"`
}

// TestGoldenRows fails when the fold makes other rows of the same events. Then the fold needs
// a new revision and a new golden file beside this one; the old file never changes.
func TestGoldenRows(t *testing.T) {
	t.Parallel()
	log, err := os.ReadFile(filepath.Join("testdata", "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	got := golden{Rows: map[string]*readmodel.Order{}, Totals: map[string]map[string]int64{}}
	for line := range bytes.Lines(log) {
		var e event.Event
		if err := event.Decode(bytes.TrimSpace(line), &e); err != nil {
			t.Fatal(err)
		}
		if got.Rows[e.Stream] == nil {
			got.Rows[e.Stream] = new(readmodel.Order)
		}
		if err := got.Rows[e.Stream].Apply(&e); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range got.Rows {
		for _, c := range row.Contributions() {
			if got.Totals[c.Key] == nil {
				got.Totals[c.Key] = map[string]int64{}
			}
			got.Totals[c.Key][c.Field] += c.Amount
		}
	}
	encoded, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	encoded = append(encoded, '\n')
	path := filepath.Join("testdata", "orders-revision-1.json")
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
		t.Errorf("revision %d makes other rows (-golden +now):\n%s", readmodel.OrdersRevision, diff)
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
		"a larger one":                   {false, order.Placed{OrderID: "o1", Total: model.MaxAmount + 1}, 1, false},
		"the least that there is":        {false, order.Placed{OrderID: "o1", Total: math.MinInt64}, 1, false},
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

func TestTheBusinessDayIsTokyos(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-01-23T14:59:59.999Z": "2026-01-23",
		"2026-01-23T15:00:00.000Z": "2026-01-24",
		"2025-12-31T15:00:00.000Z": "2026-01-01",
	} {
		i, err := event.ParseInstant(at)
		if err != nil {
			t.Fatal(err)
		}
		if got := readmodel.BusinessDay(i); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	for _, day := range []string{"", "2026-1-1", "2026-02-30", "today"} {
		if readmodel.CheckDay(day) == nil {
			t.Errorf("%q passes for a day", day)
		}
	}
}
