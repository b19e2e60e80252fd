package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

func now() time.Time { return time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC) }

// fixture is a service over stores in memory.
type fixture struct {
	Queries
	t         *testing.T
	events    *memory.Events
	tables    *memory.Tables
	control   *memory.Control
	projector *projection.Projector
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl()}
	definitions := []model.Projection{readmodel.Orders()}
	f.Queries = (&Reader{
		Pointers: &projection.CachedPointers{Source: f.control, TTL: time.Hour, Now: now},
		Browser:  f.tables, Streams: f.events, Projections: definitions, Now: now,
	}).Of(readmodel.OrdersView())
	f.projector = &projection.Projector{
		Projections: definitions, Tables: f.tables, Streams: f.events, Now: now,
		Pointers: &projection.CachedPointers{Source: f.control, Now: now},
	}
	return f
}

func (f *fixture) ensure() {
	f.t.Helper()
	if err := projection.Ensure(f.t.Context(), f.control, f.tables, readmodel.Orders()); err != nil {
		f.t.Fatal(err)
	}
}

// append stores events of an order after those that it has.
func (f *fixture) append(id string, at time.Time, payloads ...event.Payload) []event.Event {
	f.t.Helper()
	history, err := f.events.Load(f.t.Context(), order.Stream(id), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	events := make([]event.Event, len(payloads))
	for i, p := range payloads {
		if events[i], err = event.New(p); err != nil {
			f.t.Fatal(err)
		}
		events[i].ID, events[i].OccurredAt = fmt.Sprintf("%s-%d", id, len(history)+i), event.InstantOf(at)
	}
	if err := f.events.Append(f.t.Context(), order.Stream(id), uint64(len(history)), events); err != nil {
		f.t.Fatal(err)
	}
	return events
}

func (f *fixture) project(events []event.Event) {
	f.t.Helper()
	if err := f.projector.Apply(f.t.Context(), events).Err(); err != nil {
		f.t.Fatal(err)
	}
}

func code(err error) string {
	var refusal fault.DomainError
	if errors.As(err, &refusal) {
		return refusal.DomainCode()
	}
	return ""
}

func TestAReadModelThatWasNeverSetUpIsEmpty(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.Get(t.Context(), "o1", 0); code(err) != order.CodeNotFound {
		t.Errorf("order: %v", err)
	}
	if page, err := f.List(t.Context(), ListRequest{}); err != nil || len(page.Rows) > 0 || page.Next != "" {
		t.Errorf("list: %v %v", page, err)
	}
	if sales, err := f.Total(t.Context(), "2026-01-24"); err != nil || len(sales) > 0 {
		t.Errorf("sales: %v %v", sales, err)
	}
	f.append("o1", now(), order.Placed{OrderID: "o1", Total: 780})
	if o, err := f.Get(t.Context(), "o1", 1); err != nil || !o.Folded || o.Version != 1 {
		t.Errorf("who has written must see it all the same: %v %v", o, err)
	}
}

func TestADroppedTableIsLookedUpAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	f.project(f.append("o1", now(), order.Placed{OrderID: "o1", Total: 780}))
	if _, err := f.Get(t.Context(), "o1", 0); err != nil { // the pointer is cached now
		t.Fatal(err)
	}
	p, _ := f.control.Pointer(t.Context(), "orders")
	p.Versions, p.Next = []projection.Version{{Number: 2, Revision: 1, State: projection.Active}}, 3
	ctx := t.Context()
	if err := errors.Join(f.tables.Create(ctx, projection.Table{Projection: "orders", Version: 2}), f.control.SetPointer(ctx, p),
		f.tables.Drop(ctx, projection.Table{Projection: "orders", Version: 1})); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(ctx, "o1", 0); code(err) != order.CodeNotFound {
		t.Errorf("version 2 is empty, so not found was expected: %v", err)
	}
	if err := f.tables.Drop(ctx, projection.Table{Projection: "orders", Version: 2}); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"order": second(f.Get(ctx, "o1", 0)), "list": second(f.List(ctx, ListRequest{})), "sales": second(f.Total(ctx, "2026-01-24")),
	} {
		if fault.ClassOf(err) != fault.Infra || fault.RetryAfter(err) == 0 {
			t.Errorf("%s: an infra error was expected when the table stays missing: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestARowIsFoldedOnlyWhenItIsTooOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	f.project(f.append("o1", now(), order.Placed{OrderID: "o1", Total: 780}))
	f.append("o1", now(), order.Paid{OrderID: "o1", PaidAt: event.InstantOf(now()), Method: order.MethodCard})
	for _, test := range []struct {
		min, version uint64
		folded       bool
		code         string
	}{{0, 1, false, ""}, {1, 1, false, ""}, {2, 2, true, ""}, {3, 0, false, order.CodeVersionNotReached}} {
		o, err := f.Get(t.Context(), "o1", test.min)
		if o.Version != test.version || o.Folded != test.folded || code(err) != test.code {
			t.Errorf("min %d: got %d %t %v", test.min, o.Version, o.Folded, err)
		}
	}
}

func TestAFoldedRowIsTheProjectedRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	at := event.InstantOf(now())
	events := f.append("o1", now(), order.Placed{OrderID: "o1", Total: 4, Lines: []order.Line{{Product: "茶", Quantity: 2, UnitPrice: 2}}},
		order.Paid{OrderID: "o1", PaidAt: at, Method: order.MethodCash}, order.Cancelled{OrderID: "o1"}, order.Refunded{OrderID: "o1", Amount: 4, Method: order.MethodCash})
	folded, err := f.Get(t.Context(), "o1", 4)
	if err != nil {
		t.Fatal(err)
	}
	f.project(events)
	projected, err := f.Get(t.Context(), "o1", 4)
	if err != nil || projected.Folded || !folded.Folded {
		t.Fatal(err, projected.Folded, folded.Folded)
	}
	if diff := cmp.Diff(string(projected.Data), string(folded.Data)); diff != "" {
		t.Error(diff)
	}
}

func TestAnOrderThatCannotBeShownYet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	f.append("o1", now(), order.Placed{OrderID: "o1", Total: 780}, order.Placed{OrderID: "o1", Total: 781})
	if _, err := f.Get(t.Context(), "o1", 2); fault.ClassOf(err) != fault.Infra {
		t.Errorf("an event that cannot be applied: %v", err)
	}
	p, _ := f.control.Pointer(t.Context(), "orders")
	p.Versions[0].Revision = 99
	if err := f.control.SetPointer(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	f.Pointers.Forget("orders")
	if _, err := f.Get(t.Context(), "o1", 1); fault.ClassOf(err) != fault.Infra {
		t.Errorf("a revision of a newer deployment: %v", err)
	}
}

func TestThePointerWithoutActiveVersionIsADefect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.control.SetPointer(t.Context(), projection.Pointer{Projection: "orders"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), "o1", 0); fault.ClassOf(err) != fault.Bug {
		t.Errorf("got %v", err)
	}
}

func TestTheRowGetsItsVersion(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		`{"a":1}`: `{"a":1,"version":7}`, `{}`: `{"version":7}`, "{ }\n": `{"version":7}`, `[]`: "", ``: "", `{`: "",
	} {
		got, err := json.Marshal(Row{Version: 7, Data: json.RawMessage(row)})
		if (want == "") != (err != nil) || (err == nil && string(got) != want) {
			t.Errorf("%q: got %s %v, want %s", row, got, err, want)
		}
	}
}

func TestQueriesAreLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	var log bytes.Buffer
	ctx := observe.WithLogger(t.Context(), observe.NewLogger(&log, zerolog.InfoLevel, "query"))
	ctx = observe.WithCorrelationID(ctx, "c-1")
	f.append("o1", now(), order.Placed{OrderID: "o1", Total: 780})
	f.Get(ctx, "o1", 1)
	f.Get(ctx, "o9", 0)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for i, want := range []string{`"message":"query:success"`, `"message":"query:failed"`} {
		for _, part := range []string{want, `"queryName":"GetOrder"`, `"correlationId":"c-1"`, `"durationMs":`, `"orderId":"o`, `"result":`} {
			if !strings.Contains(lines[i], part) {
				t.Errorf("%s lacks %s", lines[i], part)
			}
		}
	}
}

func TestHistoryAndTotal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	f.project(f.append("o1", now(), order.Placed{OrderID: "o1", Total: 780}, order.Paid{OrderID: "o1", PaidAt: event.InstantOf(now()), Method: order.MethodUnknown}))
	h, err := f.History(t.Context(), "o1")
	if err != nil || h.Version != 2 || len(h.Events) != 2 || h.Stream != "order-o1" {
		t.Errorf("%v %v", h, err)
	}
	if _, err := f.History(t.Context(), "o9"); code(err) != order.CodeNotFound {
		t.Errorf("got %v", err)
	}
	total, err := f.Total(t.Context(), "2026-01-24")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"orders": 1, "paid": 1, "revenue.UNKNOWN": 780}
	if diff := cmp.Diff(want, total); diff != "" {
		t.Error(diff)
	}
	if _, err := f.Total(t.Context(), "24/1/2026"); code(err) != CodeInvalidBucket {
		t.Errorf("got %v", err)
	}
}

func TestAStoreInTroubleIsAnInfraError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"order": second(f.Get(ctx, "o1", 1)), "list": second(f.List(ctx, ListRequest{})),
		"sales": second(f.Total(ctx, "2026-01-24")), "history": second(f.History(ctx, "o1")),
	} {
		if fault.ClassOf(err) != fault.Infra {
			t.Errorf("%s: %v", name, err)
		}
	}
}
