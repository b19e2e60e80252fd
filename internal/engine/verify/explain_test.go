package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/model"
)

// numbers knows the numbers of two events.
type numbers struct{ err error }

func (n numbers) Numbers(context.Context, string) (map[uint64]uint64, error) {
	return map[uint64]uint64{1: 10, 2: 25}, n.err
}

func (w *world) explainer() *verify.ReadModels {
	return &verify.ReadModels{
		Verifier:    verify.Verifier{Tables: w.Tables, Streams: w.Events, Now: time.Now},
		Projections: []model.Projection{orders}, Pointers: w.Control, Numbers: numbers{},
	}
}

func (w *world) explain(key string) verify.Explanation {
	w.TB.Helper()
	e, err := w.explainer().Explain(w.TB.Context(), orders.Name, key)
	if err != nil {
		w.TB.Fatal(err)
	}
	if _, err := json.Marshal(e); err != nil {
		w.TB.Errorf("the explanation is no JSON: %v", err)
	}
	return e
}

func TestExplainTellsTheEventsBehindARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("o1")
	w.Append("o1", order.Ready{OrderID: "o1"})
	for _, key := range []string{"o1", "order-o1"} {
		e := w.explain(key)
		if e.Stream != "order-o1" || len(e.Events) != 3 || len(e.Versions) != 1 {
			t.Fatalf("%+v", e)
		}
		if paid := e.Events[1]; paid.Type != order.PaidType || paid.Version != 2 || paid.Number != 25 || paid.EventID != "order-o1@2" || paid.CorrelationID != "c-order-o1" {
			t.Errorf("the second event: %+v", paid)
		}
		if e.Events[2].Number != 0 {
			t.Errorf("an event that has no number yet: %+v", e.Events[2])
		}
		v := e.Versions[0]
		if v.Table != "orders-v1" || v.About.Revision != orders.Revision || v.About.State != projection.Active || v.Class != "" || !v.Behind {
			t.Errorf("the version: %+v", v)
		}
		if v.Row.Version != 2 || v.Fold.Version != 3 || !strings.Contains(string(v.Fold.Data), "READY") || len(v.Row.Contributions) != 3 || len(v.Fold.Contributions) != 3 {
			t.Errorf("row %+v, fold %+v", v.Row, v.Fold)
		}
	}
}

func TestExplainTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("o1")
	w.poison("p")
	w.edit("order-o1", func(c *projection.Change) { c.Data = bytes.Replace(c.Data, []byte("780"), []byte("78"), 1) })
	if v := w.explain("o1").Versions[0]; v.Class != verify.Different || len(v.Diff) != 1 || v.Diff[0] != (verify.Field{Name: "total", Row: "78", Fold: "780"}) {
		t.Errorf("%+v", v)
	}
	if v := w.explain("p").Versions[0]; v.Class != "" || v.Row.Parked == nil || v.Fold.Parked == nil || v.Row.Parked.EventID != "order-p@2" {
		t.Errorf("a parked stream: %+v", v)
	}
	w.Append("late", order.Placed{OrderID: "late", Total: 1})
	if v := w.explain("late").Versions[0]; v.Class != "" || !v.Behind || v.Row != nil || v.Fold == nil {
		t.Errorf("a row that is still to come: %+v", v)
	}
	w.edit("order-o1", func(c *projection.Change) { c.Data = []byte("{") })
	if v := w.explain("o1").Versions[0]; v.Row.Unreadable != "{" || v.Row.Data != nil || v.Class != verify.Different {
		t.Errorf("data that cannot be read: %+v", v.Row)
	}
	w.edit("order-x", func(c *projection.Change) { c.Version, c.Data = 1, []byte("{}") })
	if e := w.explain("x"); e.Versions[0].Class != verify.Extra || e.Versions[0].Fold != nil || len(e.Events) != 0 {
		t.Errorf("a row without a stream: %+v", e)
	}
}

func TestExplainKnowsItsLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("o1")
	p, err := w.Control.Pointer(t.Context(), orders.Name)
	if err != nil {
		t.Fatal(err)
	}
	p.Versions = append(p.Versions, projection.Version{Number: 2, Revision: 99, State: projection.Building})
	if err := w.Control.SetPointer(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	// The second version's table is not there, and its revision is not in this program.
	if v := w.explain("o1").Versions; len(v) != 2 || v[1].Row != nil || v[1].Fold != nil || !strings.Contains(v[1].Reason, "revision 99") {
		t.Errorf("%+v", v)
	}
	if _, err := w.explainer().Explain(t.Context(), orders.Name, "nobody"); !errors.Is(err, verify.ErrUnknown) {
		t.Errorf("an unknown key: %v", err)
	}
	if _, err := w.explainer().Explain(t.Context(), "sales", "o1"); !errors.Is(err, verify.ErrRefused) {
		t.Errorf("an unknown projection: %v", err)
	}
	x := w.explainer()
	x.Numbers = numbers{errDisk}
	if _, err := x.Explain(t.Context(), orders.Name, "o1"); !errors.Is(err, errDisk) {
		t.Errorf("a log that cannot be read now: %v", err)
	}
	x.Numbers = numbers{eventlog.ErrDamaged}
	if e, err := x.Explain(t.Context(), orders.Name, "o1"); err != nil || e.Unnumbered != eventlog.ErrDamaged.Error() || len(e.Events) != 2 {
		t.Errorf("a log that cannot be read: %+v, %v", e, err)
	}
}
