package projection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
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
