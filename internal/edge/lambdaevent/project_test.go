package lambdaevent

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

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// applier notes the events it is given and fails the streams it is told to.
type applier struct {
	got      []event.Event
	failing  projection.Failures
	appended time.Time
}

func (a *applier) apply(_ context.Context, events []event.Event) projection.Failures {
	a.got = append(a.got, events...)
	return a.failing
}

func (a *applier) applied(_ context.Context, appended time.Time) { a.appended = appended }

func (a *applier) handle(t *testing.T, batch StreamBatch) (answer string, log string) {
	t.Helper()
	var lines bytes.Buffer
	out, err := Project(a.apply, a.applied, observe.NewLogger(&lines, zerolog.InfoLevel, "projector"))(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), lines.String()
}

func TestRecordsBecomeEventsAndOthersStopNothing(t *testing.T) {
	t.Parallel()
	var a applier
	answer, log := a.handle(t, golden[StreamBatch](t, "stream.json"))
	if answer != `{"batchItemFailures":[]}` {
		t.Errorf("answer %s", answer)
	}
	want := []event.Event{
		{ID: "e1", Type: "OrderPlaced", OccurredAt: event.InstantOfMilli(1769212800000), CorrelationID: "c1", Payload: []byte(`{"orderId":"o1","total":780}`), Stream: "order-o1", Version: 1, Schema: 2},
		{ID: "e4", Type: "OrderPaid", OccurredAt: event.InstantOfMilli(1769212860000), Payload: []byte(`{"orderId":"o4"}`), Stream: "order-o4", Version: 2, Schema: 1},
		{ID: "e5", Type: "OrderPaid", OccurredAt: event.InstantOfMilli(1769212920000), Payload: []byte(`{"orderId":"o1"}`), Stream: "order-o1", Version: 2, Schema: 1},
	}
	if diff := cmp.Diff(want, a.got); diff != "" {
		t.Error(diff)
	}
	var told []string
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["message"] == "projection:undecodable" && fields["errorClass"] == "bug" && fields["level"] == "error" {
			told = append(told, fmt.Sprintf("%s %s %s", fields["recordId"], fields["sequenceNumber"], fields["keys"]))
		}
	}
	wantTold := []string{
		`"r4" "103" {"stream":{"S":"order-o2"},"version":{"N":"1"}}`, `"r5" "104" `, `"r6" "105" `, `"r7" "106" `, `  `, `  `, `  `, `  `,
	}
	if diff := cmp.Diff(wantTold, told); diff != "" {
		t.Error(diff)
	}
	if !a.appended.Equal(time.UnixMilli(1769223601000)) {
		t.Errorf("appended %s", a.appended)
	}
}

func TestTheFirstRecordOfAFailedStreamIsNamed(t *testing.T) {
	t.Parallel()
	down := errors.New("the table is busy")
	for name, test := range map[string]struct {
		failing projection.Failures
		want    string
	}{
		"a later stream": {projection.Failures{"order-o4": down}, `{"batchItemFailures":[{"itemIdentifier":"107"}]}`},
		"the first":      {projection.Failures{"order-o1": down}, `{"batchItemFailures":[{"itemIdentifier":"100"}]}`},
		"two":            {projection.Failures{"order-o1": down, "order-o4": down}, `{"batchItemFailures":[{"itemIdentifier":"100"}]}`},
		"none":           {nil, `{"batchItemFailures":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := applier{failing: test.failing}
			answer, log := a.handle(t, golden[StreamBatch](t, "stream.json"))
			if answer != test.want {
				t.Errorf("got %s, want %s", answer, test.want)
			}
			if n := strings.Count(log, `"projection:failed"`); n != len(test.failing) {
				t.Errorf("%d failures were logged, want %d", n, len(test.failing))
			}
			if len(test.failing) > 0 && !a.appended.IsZero() {
				t.Error("a batch with failures was noted as applied")
			}
		})
	}
}

func TestBatchesWithNothingInThem(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`{}`, `{"Records":[]}`, `{"Records":null}`, `{"Records":[null]}`} {
		var batch StreamBatch
		if err := json.Unmarshal([]byte(raw), &batch); err != nil {
			t.Fatal(err)
		}
		var a applier
		if answer, _ := a.handle(t, batch); answer != `{"batchItemFailures":[]}` || len(a.got) > 0 {
			t.Errorf("%s: %s, %d events", raw, answer, len(a.got))
		}
	}
}
