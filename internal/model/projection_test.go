package model_test

import (
	"slices"
	"testing"

	"gakushoku/internal/model"
)

func TestProjectionsAreFoundByNameAndRevision(t *testing.T) {
	t.Parallel()
	ds := model.Projections{{Name: "orders", Revision: 2}, {Name: "menu", Revision: 1}, {Name: "orders", Revision: 1}}
	if got := ds.Names(); !slices.Equal(got, []string{"orders", "menu"}) {
		t.Errorf("names %v", got)
	}
	if d, ok := ds.Newest("orders"); !ok || d.Revision != 2 {
		t.Errorf("the newest is %+v, %t", d, ok)
	}
	if d, ok := ds.Revision("orders", 1); !ok || d.Name != "orders" || d.Revision != 1 {
		t.Errorf("revision 1 is %+v, %t", d, ok)
	}
	if _, ok := ds.Revision("orders", 3); ok {
		t.Error("a revision was found that is not there")
	}
	if _, ok := ds.Newest("sales"); ok {
		t.Error("a projection was found that is not there")
	}
}
