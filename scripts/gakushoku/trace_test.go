package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/timeline"

	"github.com/google/go-cmp/cmp"
)

// opened is a server in a new data folder.
func opened(t *testing.T) (dir, url string) {
	t.Helper()
	dir, url, _ = openedWithOps(t)
	return dir, url
}

// openedWithOps is opened, with the address for operators.
func openedWithOps(t *testing.T) (dir, url, ops string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	server := start(t, serving(dir)...)
	t.Cleanup(func() { server.stop(); <-server.ended })
	url, ops = server.addresses(t)
	return dir, url, ops
}

// serving are the arguments that serve a folder on free ports, and stop without waiting for clients.
func serving(dir string, more ...string) []string {
	return append([]string{"serve", "-d", dir, "--addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0", "--stop-grace", "0s"}, more...)
}

// addresses are where a server says that it is.
func (r *running) addresses(t *testing.T) (url, ops string) {
	t.Helper()
	words := strings.Fields(r.eventually(t, r.out, "health: http://"))
	return words[2], words[slices.Index(words, "health:")+1]
}

// post sends a command as an operation, and returns the status of the answer.
func post(t *testing.T, operation, address, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-correlation-id", operation)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// awaitLog waits until the log of a server says how each operation ended. Lines are written beside the
// responses, some of them after.
func awaitLog(t *testing.T, dir string, operations ...string) {
	t.Helper()
	ended := regexp.MustCompile(`"correlationId":"(` + strings.Join(operations, "|") + `)".*"request:end"`)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(embedded.LogFile(dir))
		if err == nil && len(ended.FindAll(text, -1)) >= len(operations) {
			return
		}
	}
	t.Fatalf("the log does not say how all of %s ended", strings.Join(operations, ", "))
}

func TestTraceShowsOperation(t *testing.T) {
	t.Parallel()
	dir, url := opened(t)
	post(t, "place", url+"/orders", `{"orderId":"o1","total":780}`)
	post(t, "pay", url+"/orders/o1/pay", `{"paymentMethod":"CARD"}`)
	if status := post(t, "again", url+"/orders/o1/pay", `{"paymentMethod":"CARD"}`); status != http.StatusConflict {
		t.Fatalf("paid again: %d", status)
	}
	awaitLog(t, dir, "place", "pay", "again")

	got := ok(t, "trace", "pay", "-d", dir, "--trace-url", "http://traces/{traceId}")
	contains(t, got, "operation  pay\n", "stream     order-o1\n", "http://traces/", "POST /orders/o1/pay  200 after ", "PayOrder", "OrderPaid", "order-o1 version 2", "orders-v1")
	contains(t, ok(t, "trace", "again", "-d", dir), "409 after", "domain order/already-paid", "NG after")

	list := strings.Split(strings.TrimSpace(ok(t, "trace", "--order", "o1", "-d", dir)), "\n")
	if len(list) != 4 || !strings.Contains(list[1], "PlaceOrder") || !strings.Contains(list[2], "OrderPaid (version 2)") || !strings.Contains(list[3], "NG domain order/already-paid") {
		t.Errorf("%s", strings.Join(list, "\n"))
	}
	call(t, "trace", "nobody", "-d", dir).wants(t, exitFailed, "operation nobody: nothing is known of it", "--order")
	call(t, "trace", "--order", "o2", "-d", dir).wants(t, exitFailed, "order-o2: nothing is known of it")

	if err := os.RemoveAll(filepath.Join(dir, "logs")); err != nil {
		t.Fatal(err)
	}
	var found timeline.Timeline
	if err := json.Unmarshal([]byte(ok(t, "trace", "pay", "-d", dir, "--json")), &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Entries) != 1 || found.Entries[0].What != order.PaidType || found.Entries[0].Number != 2 || len(found.Entries[0].Projected) != 2 || len(found.Notes) != 1 {
		t.Errorf("without log lines: %+v", found)
	}
	contains(t, ok(t, "trace", "--order", "o1", "-d", dir), "OrderPlaced (version 1)")
}

func TestTraceRefusesBadArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"": "either", "c1 --order o1": "either", "--order o1 --stream order-o1": "choose one", "c1 --limit 0": "--limit", "c1 --trace-url http://x": "has no {traceId}",
	} {
		call(t, append([]string{"trace"}, strings.Fields(args)...)...).wants(t, exitUsage, want, "Try: gakushoku trace --help")
	}
	call(t, "trace", "c1", "-d", filepath.Join(t.TempDir(), "none")).wants(t, exitUnknown, "there is no data folder")
}

func TestATimelineIsShownAsItIs(t *testing.T) {
	t.Parallel()
	took, slow := 3.04, 1534.0
	parked := &projection.Parked{EventID: "e2", EventVersion: 2, Reason: "no", Since: event.InstantOfMilli(1_769_212_801_000), Attempts: 1}
	var out strings.Builder
	showTimeline(&out, &timeline.Timeline{
		CorrelationID: "c1", Streams: []string{"order-o1"}, Traces: []timeline.Trace{{ID: "t1", URL: "http://traces/t1"}, {ID: "t2"}}, Notes: []string{"something is left out"},
		Entries: []timeline.Entry{
			{At: event.InstantOfMilli(1_769_212_800_000), Kind: timeline.KindRequest, What: "POST /orders/o1/pay", Status: 500, Result: "NG", DurationMs: &took, ErrorClass: "bug", Error: "a\x1b[31m"},
			{At: event.InstantOfMilli(1_769_212_800_001), Kind: timeline.KindCommand, What: "PayOrder", Stream: "order-o1"},
			{At: event.InstantOfMilli(1_769_212_800_001), Kind: timeline.KindEvent, What: "OrderPaid", Stream: "order-o1", Version: 2, Number: 12, EventID: "e2", Actor: "till", Projected: []timeline.Projected{
				{Table: "orders-v1", State: timeline.StateParked, RowVersion: 1, Parked: parked}, {Table: "meals-v3", State: timeline.StateBehind},
			}},
			{At: event.InstantOfMilli(1_769_212_800_002), Kind: timeline.KindEvent, What: "OrderReady", Stream: "order-o1", Version: 3, EventID: "e3", Projected: []timeline.Projected{
				{Table: "orders-v1", State: timeline.StateBlocked, RowVersion: 1, Parked: parked}, {Table: "meals-v3", State: timeline.StateApplied, RowVersion: 3},
			}},
			{At: event.InstantOfMilli(1_769_212_801_000), Kind: timeline.KindLog, What: "projection:gap", Level: "info", Fields: json.RawMessage(`{"version":3,"level":"info","stream":"order-o1"}`)},
			{At: event.InstantOfMilli(1_769_214_902_435), Kind: timeline.KindCommand, What: "PayOrder", Result: "OK", DurationMs: &slow, Stream: "order-o1", Version: 2, Repeated: true},
		},
	})
	const want = `operation  c1
stream     order-o1
trace      t1  http://traces/t1
trace      t2

TIME                      AFTER   KIND          WHAT                 OUTCOME
2026-01-24T00:00:00.000Z          request       POST /orders/o1/pay  500 after 3.0 ms, bug, a�[31m
2026-01-24T00:00:00.001Z   +1 ms  command       PayOrder             has not ended
2026-01-24T00:00:00.001Z   +1 ms  event         OrderPaid            order-o1 version 2, number 12, by till, eventId e2
                                    read model  orders-v1            PARKED since 2026-01-24T00:00:01.000Z, 1 attempt, at version 2 (event e2): no
                                    read model  meals-v3             NOT APPLIED: it has no row
2026-01-24T00:00:00.002Z   +2 ms  event         OrderReady           order-o1 version 3, not in the log yet, eventId e3
                                    read model  orders-v1            NOT APPLIED, waits behind what is parked since 2026-01-24T00:00:01.000Z, 1 attempt, at version 2 (event e2): no
                                    read model  meals-v3             applied, its row is at version 3
2026-01-24T00:00:01.000Z     +1s  log           projection:gap       INFO stream=order-o1 version=3
2026-01-24T00:35:02.435Z  +35m2s  command       PayOrder             OK after 1.5s, repeated: nothing was appended, order-o1 version 2

Note: something is left out.
`
	if got := out.String(); got != want {
		t.Error(cmp.Diff(want, got))
	}
}
