package projection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

func TestTheNextStepFollowsFromTheVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row     uint64
		parked  bool
		version uint64
		want    projection.Step
	}{
		{0, false, 1, projection.Applied}, {0, false, 2, projection.Gap}, {2, false, 1, projection.Duplicate},
		{2, false, 2, projection.Duplicate}, {2, false, 3, projection.Applied}, {2, false, 4, projection.Gap},
		{2, true, 2, projection.Duplicate}, {2, true, 3, projection.SetAside}, {2, true, 4, projection.SetAside},
	} {
		f := projection.Fold{Version: c.row}
		if c.parked {
			f.Parked = &projection.Parked{}
		}
		if got := f.Next(c.version); got != c.want {
			t.Errorf("version %d at a row of %d, parked %t: got %d, want %d", c.version, c.row, c.parked, got, c.want)
		}
	}
}

// amounts is a row that adds up the lengths of its events' ids, in units of a quarter of what totals have room
// for.
type amounts struct{ Sum int64 }

func (a *amounts) Apply(e *event.Event) error {
	a.Sum += int64(len(e.ID)) * (model.MaxAmount / 4)
	return nil
}
func (a *amounts) Contributions() []model.Contribution {
	return []model.Contribution{model.Add("day", "sum", a.Sum)}
}
func (a *amounts) Place() model.Place { return model.Place{} }

func TestAnEventThatTotalsHaveNoRoomForParksItsStreamAndLeavesTheRowAsItWas(t *testing.T) {
	t.Parallel()
	d := model.Projection{Name: "amounts", NewRow: func() model.Row { return new(amounts) }}
	history := []event.Event{{ID: "aaa", Version: 1}, {ID: "b", Version: 2}, {ID: "c", Version: 3}, {ID: "d", Version: 4}}
	f := projection.FoldHistory(d, history, 7)
	if got := f.Record("s", 0); got.Version != 2 || string(got.Data) != `{"Sum":1000000000000}` || f.Spoiled {
		t.Errorf("the row is %s at version %d, spoiled: %t", got.Data, got.Version, f.Spoiled)
	}
	want := &projection.Parked{EventID: "c", EventVersion: 3, Since: 7, Attempts: 1,
		Reason: "the row would add 1250000000000 to sum of day: totals have no room for it"}
	if diff := cmp.Diff(want, f.Parked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if step := f.Apply(&history[3], 8); step != projection.SetAside {
		t.Errorf("the event after it: %d", step)
	}
}

func TestDifferencesAreOnePerFieldAndOnlyOfThoseThatChange(t *testing.T) {
	t.Parallel()
	before := []model.Contribution{{Key: "day", Field: "orders", Amount: 1}, {Key: "day", Field: "revenue", Amount: 700}, {Key: "old", Field: "paid", Amount: 1}}
	after := []model.Contribution{{Key: "day", Field: "orders", Amount: 1}, {Key: "day", Field: "revenue", Amount: 780}, {Key: "new", Field: "paid", Amount: 1}}
	want := []model.Contribution{{Key: "day", Field: "revenue", Amount: 80}, {Key: "old", Field: "paid", Amount: -1}, {Key: "new", Field: "paid", Amount: 1}}
	if diff := cmp.Diff(want, projection.Differences(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyARowWithEventsIsVisible(t *testing.T) {
	t.Parallel()
	var none *projection.Record
	if none.Visible() || (&projection.Record{Parked: &projection.Parked{}}).Visible() {
		t.Error("readers see what has no event")
	}
	if !(&projection.Record{Version: 1}).Visible() {
		t.Error("readers do not see a row of one event")
	}
}

func TestAnUnknownProjectionIsAnErrorThatNamesThoseThereAre(t *testing.T) {
	t.Parallel()
	ds := model.Projections{{Name: "orders"}}
	if d, err := ds.Named("orders"); err != nil || d.Name != "orders" {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := ds.Named("sales"); err == nil || err.Error() != `there is no projection "sales": choose one of [orders]` {
		t.Errorf("got %v", err)
	}
}

func TestAFoldStepsOverTombstones(t *testing.T) {
	t.Parallel()
	d := model.Projection{Name: "amounts", NewRow: func() model.Row { return new(amounts) }}
	history := []event.Event{{ID: "a", Version: 1}, {ID: "t", Type: tombstone.Type, Version: 2}, {ID: "b", Version: 3}}
	f := projection.FoldHistory(d, history, 7)
	if got := f.Record("s", 0); got.Version != 3 || string(got.Data) != `{"Sum":500000000000}` || got.Parked != nil {
		t.Errorf("the row is %s at version %d, parked: %v", got.Data, got.Version, got.Parked)
	}
	row := projection.Fold{Row: d.NewRow(), Version: 1}
	if step := row.Advance(&history[1], 7); step != projection.Applied || row.Version != 2 || row.Contributions()[0].Amount != 0 {
		t.Errorf("a replay comes to version %d by step %d", row.Version, step)
	}
}
