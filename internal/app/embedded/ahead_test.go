package embedded

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
)

// rebuiltImport is a folder into which orders were imported, and whose rebuild has brought them in.
func rebuiltImport(t *testing.T, orders int) *Folder {
	t.Helper()
	f := openFolderAt(t, t.TempDir())
	for n := range orders {
		e, err := event.New(order.Placed{OrderID: fmt.Sprint("o", n), Total: 100})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.OccurredAt, e.CorrelationID = fmt.Sprint("e", n), event.InstantOf(time.Now()), "import"
		if err := f.Events.Append(t.Context(), order.Stream(fmt.Sprint("o", n)), 0, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Rebuild(t.Context(), rebuild.Request{Projection: readmodel.OrdersName}, operator.RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	return f
}

// ofOrders are the projections that fold orders.
var ofOrders = []string{readmodel.OrdersName, checkout.Name}

// applied is how many events the readers have gone through, and up to where the projector is.
func applied(t *testing.T, f *Folder, reader string) (events, upTo uint64) {
	t.Helper()
	c, err := f.Control.Checkpoint(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	mark, err := markOf(reader, c)
	if err != nil {
		t.Fatal(err)
	}
	return c.Events, mark.Number
}

func rows(t *testing.T, f *Folder, name string, version int) int {
	t.Helper()
	records, _, err := f.Tables.Scan(t.Context(), projection.Table{Projection: name, Version: version}, eventstore.All, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}

func TestProjectorContinuesAfterRebuild(t *testing.T) {
	t.Parallel()
	const orders = 30
	f := rebuiltImport(t, orders)
	for range 2 { // the second time there is nothing to do
		if err := f.skipAhead(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if events, upTo := applied(t, f, projectorName); events != 0 || upTo != orders {
		t.Errorf("the projector has gone through %d events, and is at %d", events, upTo)
	}
	if head, at, _, err := f.lag(t.Context()); err != nil || head != orders || at != orders {
		t.Errorf("event %d of %d applied: %v", at, head, err)
	}
	if n := rows(t, f, readmodel.OrdersName, 1); n != 0 {
		t.Fatalf("the version before has %d rows: nothing is tested", n)
	}
	if err := f.bringAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if before, now := rows(t, f, readmodel.OrdersName, 1), rows(t, f, readmodel.OrdersName, 2); before != orders || now != orders {
		t.Errorf("%d rows before, %d now", before, now)
	}
	if n := rows(t, f, checkout.Name, 1); n != orders {
		t.Errorf("the process, which was not rebuilt, has %d rows", n)
	}
	if c, err := f.Control.Checkpoint(t.Context(), "projector/orders/1"); err != nil || c.AppliedAt != 0 {
		t.Errorf("%+v %v", c, err)
	}
}

// A version that readers are switched back to before it has everything is not called up to date.
func TestLateVersionIsNotReportedUpToDate(t *testing.T) {
	t.Parallel()
	const orders = 10
	f := rebuiltImport(t, orders)
	if err := f.skipAhead(t.Context()); err != nil {
		t.Fatal(err)
	}
	pointer, err := f.Control.Pointer(t.Context(), readmodel.OrdersName)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pointer.Versions {
		pointer.Versions[i].State = map[int]projection.State{1: projection.Active, 2: projection.Previous}[pointer.Versions[i].Number]
	}
	if err := f.Control.SetPointer(t.Context(), pointer); err != nil {
		t.Fatal(err)
	}
	if _, at, _, err := f.lag(t.Context()); err != nil || at != 0 {
		t.Errorf("event %d applied: %v", at, err)
	}
	if err := f.bringAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, at, _, err := f.lag(t.Context()); err != nil || at != orders {
		t.Errorf("event %d applied: %v", at, err)
	}
}

// Between the note of the versions that are late and the projector's checkpoint, the process may end.
func TestACrashWhileSkippingAheadLosesNothing(t *testing.T) {
	t.Parallel()
	const orders = 10
	f := rebuiltImport(t, orders)
	if err := f.Control.SetCheckpoint(t.Context(), "projector/orders/1", projection.Checkpoint{AppliedAt: 1}); err != nil {
		t.Fatal(err)
	}
	follower := f.Follower()
	if _, err := follower.Once(t.Context()); err != nil { // goes over events that a version has already
		t.Fatal(err)
	}
	if err := f.skipAhead(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.bringAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	if before, now := rows(t, f, readmodel.OrdersName, 1), rows(t, f, readmodel.OrdersName, 2); before != orders || now != orders {
		t.Errorf("%d rows before, %d now", before, now)
	}
}
