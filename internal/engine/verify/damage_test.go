package verify_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
)

// damage is one way to make a table wrong, and what a report must say of it.
type damage struct {
	name    string
	do      func(*world)
	class   verify.Class
	stream  string
	fields  []string
	event   string // the id of the event concerned
	reason  string
	total   bool // a total is wrong too, or only
	unfixed bool // healing does not help
}

func damages() []damage {
	const stream = "order-o7"
	return []damage{
		{name: "a row that was deleted", do: func(w *world) { w.edit(stream, inmemory.Erase) }, class: verify.Missing, stream: stream, event: "order-o7@2", reason: "totals count it still", unfixed: true},
		{name: "a row that is older", do: func(w *world) {
			w.Append("o7", order.PreparationStarted{OrderID: "o7"})
		}, class: verify.Stale, stream: stream, event: "order-o7@3"},
		{name: "a field that was changed", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) { c.Data = bytes.Replace(c.Data, []byte("780"), []byte("7800"), 1) })
		}, class: verify.Different, stream: stream, fields: []string{"total"}, event: "order-o7@2", total: true},
		{name: "two fields that were changed", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) {
				c.Data = []byte(strings.Replace(strings.Replace(string(c.Data), `"PAID"`, `"ORDERED"`, 1), "paymentMethod", "method", 1))
			})
		}, class: verify.Different, stream: stream, fields: []string{"method", "paymentMethod", "status"}},
		{name: "data of another order of fields", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) { c.Data = append([]byte(" "), c.Data...) })
		}, class: verify.Different, stream: stream, fields: []string{"data"}},
		{name: "data that cannot be read", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) { c.Data = []byte("{") })
		}, class: verify.Different, stream: stream, fields: []string{"data"}, unfixed: true},
		{name: "a place in another bucket", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) { c.Place.Bucket = "1999-12-31" })
		}, class: verify.Different, stream: stream, fields: []string{"place"}},
		{name: "a row of an unknown stream", do: func(w *world) {
			w.edit("order-nobody", func(c *projection.Change) { c.Version, c.Data = 1, []byte(`{"orderId":"nobody"}`) })
		}, class: verify.Extra, stream: "order-nobody"},
		{name: "a parked row of an unknown stream", do: func(w *world) {
			w.edit("order-nobody", func(c *projection.Change) { c.Parked = &projection.Parked{EventVersion: 1} })
		}, class: verify.Extra, stream: "order-nobody"},
		{name: "a row of a stream that is not folded", do: func(w *world) {
			w.edit("menu-1", func(c *projection.Change) { c.Version, c.Data = 1, []byte(`{}`) })
		}, class: verify.Extra, stream: "menu-1", reason: "does not fold", unfixed: true},
		{name: "a row that is ahead", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) { c.Version = 5 })
		}, class: verify.Ahead, stream: stream, event: "order-o7@2", reason: "does not have all of the stream's events", unfixed: true},
		{name: "a stream that is parked but could be applied", do: func(w *world) {
			w.Append("o7", order.PreparationStarted{OrderID: "o7"})
			w.edit(stream, func(c *projection.Change) {
				c.Parked = &projection.Parked{EventID: "order-o7@3", EventVersion: 3, Reason: "no"}
			})
		}, class: verify.Different, stream: stream, fields: []string{"parked"}, event: "order-o7@3"},
		{name: "a stream that is parked at an event that is not there", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) { c.Parked = &projection.Parked{EventID: "x", EventVersion: 3, Reason: "no"} })
		}, class: verify.Different, stream: stream, fields: []string{"parked"}},
		{name: "a stream that is not parked but has to be", do: func(w *world) {
			w.edit("order-poison", func(c *projection.Change) { c.Parked = nil })
		}, class: verify.Stale, stream: "order-poison", fields: []string{"parked"}, event: "order-poison@2"},
		{name: "a stream that is parked at the wrong event", do: func(w *world) {
			w.edit("order-poison", func(c *projection.Change) { c.Parked.EventID = "another" })
		}, class: verify.Different, stream: "order-poison", fields: []string{"parked"}, event: "order-poison@2"},
		{name: "a row that has an event which cannot be applied", do: func(w *world) {
			w.edit("order-poison", func(c *projection.Change) { c.Version, c.Parked = 2, nil })
		}, class: verify.Different, stream: "order-poison", fields: []string{"parked"}, event: "order-poison@2"},
		{name: "a parked row that was deleted", do: func(w *world) { w.edit("order-first", inmemory.Erase) }, class: verify.Missing, stream: "order-first"},
		{name: "a total that was changed", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) {
				c.Totals = []model.Contribution{{Key: "2026-01-24", Field: "paid", Amount: 1}}
			})
		}, total: true, unfixed: true},
		{name: "a total of a day without sales", do: func(w *world) {
			w.edit(stream, func(c *projection.Change) {
				c.Totals = []model.Contribution{{Key: "1999-12-31", Field: "paid", Amount: 1}}
			})
		}, total: true, unfixed: true},
	}
}

// damaged is a world with one damage.
func damaged(t *testing.T, d damage) *world {
	w := newWorld(t)
	for _, id := range []string{"o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9"} {
		w.order(id)
	}
	w.poison("poison")
	w.project(w.Append("first", order.PickedUp{OrderID: "first"}))
	for _, snapshots := range []bool{false, true} {
		if r := w.verify(w.verifier(snapshots), verify.Options{}); !r.Sound() || r.Parked != 2 || r.Rows != 11 || r.Streams != 11 || r.Checked == 0 {
			t.Fatalf("a sound table: %+v", r)
		}
	}
	d.do(w)
	return w
}

func TestEveryDamageIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w := damaged(t, d)
			for _, snapshots := range []bool{false, true} {
				r := w.verify(w.verifier(snapshots), verify.Options{})
				d.wantFound(t, r)
			}
		})
	}
}

func (d damage) wantFound(t *testing.T, r verify.Report) {
	t.Helper()
	if r.Sound() {
		t.Fatal("the report says that the table is sound")
	}
	if (len(r.Totals) > 0) != d.total && d.class == "" {
		t.Errorf("totals: %+v", r.Totals)
	}
	for _, total := range r.Totals {
		if !total.Settled || total.Stored == total.Folded {
			t.Errorf("total %+v", total)
		}
	}
	if d.class == "" {
		if r.Found() != 0 {
			t.Errorf("rows: %+v", r.Problems)
		}
		return
	}
	if r.Counts[d.class] != 1 || r.Found() != 1 || len(r.Problems) != 1 {
		t.Fatalf("counts %v, problems %+v", r.Counts, r.Problems)
	}
	p := r.Problems[0]
	var fields []string
	for _, f := range p.Fields {
		fields = append(fields, f.Name)
		if f.Row == f.Fold {
			t.Errorf("field %+v does not differ", f)
		}
	}
	if p.Class != d.class || p.Stream != d.stream || !slices.Equal(fields, d.fields) || d.event != "" && p.EventID != d.event || !strings.Contains(p.Reason, d.reason) {
		t.Errorf("problem %+v", p)
	}
	if p.EventID != "" && p.CorrelationID != "c-"+p.Stream {
		t.Errorf("correlation id %q", p.CorrelationID)
	}
}

func TestFixHealsWhatHealingCan(t *testing.T) {
	t.Parallel()
	for _, d := range damages() {
		for _, snapshots := range []bool{false, true} {
			name := d.name
			if snapshots {
				name += ", from a snapshot"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := damaged(t, d)
				r := w.verify(w.verifier(snapshots), verify.Options{Fix: true})
				if d.class != "" && (r.Found() != 1 || r.Fixed[d.class] == 1 == d.unfixed || r.Problems[0].Fixed == d.unfixed) {
					t.Errorf("counts %v, fixed %v, problems %+v", r.Counts, r.Fixed, r.Problems)
				}
				again := w.verify(w.verifier(!snapshots), verify.Options{})
				if d.class != "" && (again.Found() > 0) != d.unfixed {
					t.Errorf("afterwards: %+v", again.Problems)
				}
				if !slices.Equal(r.Totals, again.Totals) || r.Sound() != again.Sound() {
					t.Errorf("the fixing run says sound: %t, totals %+v; afterwards: %t, %+v", r.Sound(), r.Totals, again.Sound(), again.Totals)
				}
			})
		}
	}
}
