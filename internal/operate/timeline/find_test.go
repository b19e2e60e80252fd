package timeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/timeline"
	"gakushoku/internal/store/memory"
)

// lines are log lines; every one of them is found for any order.
type lines [][]byte

func (l lines) OfOperation(_ context.Context, id string, f func([]byte) error) error {
	return l.each(id, f)
}

func (l lines) OfStream(_ context.Context, _ string, f func([]byte) error) error {
	return l.each("", f)
}

func (l lines) each(text string, f func([]byte) error) error {
	for _, one := range l {
		if strings.Contains(string(one), text) {
			if err := f(one); err != nil {
				return err
			}
		}
	}
	return nil
}

type numbers struct{}

func (numbers) Numbers(context.Context, string) (map[uint64]uint64, error) {
	return map[uint64]uint64{1: 11, 2: 12}, nil
}

// world is an installation with two orders, each placed by an operation of its own and paid by c1.
func world(t *testing.T, log lines) (f *timeline.Finder, scans *int) {
	t.Helper()
	events, tables, control := memory.NewEvents(), memory.NewTables(), memory.NewControl()
	for _, name := range canteen.Projections().Names() {
		d, _ := canteen.Projections().Newest(name)
		if err := projection.Ensure(t.Context(), control, tables, d); err != nil {
			t.Fatal(err)
		}
	}
	var all []event.Event
	for _, id := range []string{"o1", "o2"} {
		var made []event.Event
		for i, p := range []event.Payload{order.Placed{OrderID: id, Total: 780}, order.Paid{OrderID: id, PaidAt: at(1), Method: order.MethodCash}} {
			e, err := event.New(p)
			if err != nil {
				t.Fatal(err)
			}
			e.ID, e.OccurredAt, e.CorrelationID = fmt.Sprint(id, "-", i), at(i), "c1"
			if i == 0 {
				e.CorrelationID = "place-" + id
			}
			made = append(made, e)
		}
		if err := events.Append(t.Context(), order.Stream(id), 0, made); err != nil {
			t.Fatal(err)
		}
		all = append(all, made...)
	}
	projector := &projection.Projector{
		Projections: canteen.Projections(), Pointers: &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now}, Tables: tables, Streams: events, Now: time.Now,
	}
	if failures := projector.Apply(t.Context(), all[:2]); failures.Err() != nil {
		t.Fatal(failures.Err())
	}
	scans = new(int)
	return &timeline.Finder{
		Lines: log, Streams: events, Numbers: numbers{}, Limit: 100,
		Models: timeline.ReadModels{Projections: canteen.Projections(), Pointers: control, Tables: tables},
		EachEvent: func(_ context.Context, f func(*event.Event) error) error {
			*scans++
			for i := range all {
				if err := f(&all[i]); err != nil {
					return err
				}
			}
			return nil
		},
	}, scans
}

func TestEventsAreFoundThroughTheLines(t *testing.T) {
	t.Parallel()
	f, scans := world(t, lines{
		logged(0, "request:start", `"method":"POST","path":"/",`), logged(0, "command:start", `"commandName":"PayOrder","stream":"order-o1",`),
		logged(2, "request:end", `"method":"POST","path":"/","result":"OK",`), []byte(`{"correlationId":"c12","message":"of another"}`),
	})
	got, err := f.Operation(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0 request POST / OK", "0 command PayOrder order-o1", "1 event OrderPaid order-o1 orders-v1:applied@2 checkout-v1:applied@2"}
	if diff := gocmp.Diff(want, told(got)); diff != "" || *scans != 0 || got.Entries[2].Number != 12 || got.Notes != nil {
		t.Errorf("%s, %d scans, %+v", diff, *scans, got)
	}
}

func TestTimelineNotesLostEvents(t *testing.T) {
	t.Parallel()
	for eventID, notes := range map[string]int{"o1-1": 0, "gone": 1} {
		paid := logged(1, "command:success", `"commandName":"PayOrder","stream":"order-o1","version":2,"eventId":"`+eventID+`","result":"OK",`)
		f, _ := world(t, lines{logged(0, "request:start", `"method":"POST","path":"/",`), paid, logged(2, "request:end", `"method":"POST","path":"/","result":"OK",`), paid})
		got, err := f.Operation(t.Context(), "c1")
		if err != nil || len(got.Notes) != notes || notes > 0 && !strings.Contains(got.Notes[0], "event gone, version 2 of order-o1, which the event store does not have") {
			t.Errorf("%s: %q, %v", eventID, got.Notes, err)
		}
	}
}

func TestEventsAreFoundInTheLogWhenTheLinesAreGone(t *testing.T) {
	t.Parallel()
	f, _ := world(t, nil)
	got, err := f.Operation(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 event OrderPaid order-o1 orders-v1:applied@2 checkout-v1:applied@2", "1 event OrderPaid order-o2 orders-v1:behind@0 checkout-v1:behind@0"}
	if diff := gocmp.Diff(want, told(got)); diff != "" || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "no log line") {
		t.Errorf("%s %v", diff, got.Notes)
	}
	if _, err := f.Operation(t.Context(), "c2"); !errors.Is(err, timeline.ErrUnknown) {
		t.Errorf("an unknown operation: %v", err)
	}
}

func TestVeryManyLinesAreCut(t *testing.T) {
	t.Parallel()
	var log lines
	for i := range 250 {
		log = append(log, logged(i, "query:start", fmt.Sprintf(`"n":%d,`, i)))
	}
	f, _ := world(t, log)
	got, err := f.Operation(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Entries) != 102 || got.Entries[0].At != at(1) || got.Entries[2].At != at(150) || !strings.Contains(got.Notes[0], "the newest 100 of 250 log lines") {
		t.Errorf("%d entries from %v: %v", len(got.Entries), got.Entries[0], got.Notes)
	}
}

func TestTheOperationsOfAnOrder(t *testing.T) {
	t.Parallel()
	pay := `"commandName":"PayOrder","stream":"order-o1",`
	f, _ := world(t, lines{
		logged(1, "command:start", pay), logged(2, "command:success", pay+`"result":"OK",`),
		[]byte(strings.ReplaceAll(string(logged(3, "command:failed", pay+`"result":"NG","errorClass":"domain","code":"order/already-paid",`)), "c1", "c9")),
		logged(4, "command:success", `"commandName":"PayOrder","stream":"order-o10",`),
		logged(5, "query:success", `"queryName":"GetOrder","stream":"order-o1",`),
	})
	got, err := f.Stream(t.Context(), "order-o1")
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, o := range got.Operations {
		ops = append(ops, fmt.Sprint(o.CorrelationID, o.Commands, o.Result, o.Code, o.Events))
	}
	want := []string{"place-o1[][{OrderPlaced 1 o1-0}]", "c1[PayOrder]OK[{OrderPaid 2 o1-1}]", "c9[PayOrder]NGorder/already-paid[]"}
	if diff := gocmp.Diff(want, ops); diff != "" {
		t.Error(diff)
	}
	if _, err := f.Stream(t.Context(), "order-o3"); !errors.Is(err, timeline.ErrUnknown) {
		t.Errorf("an unknown order: %v", err)
	}
}
