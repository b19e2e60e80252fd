package timeline_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/timeline"
)

const day = "2026-01-24T00:00:00."

// logged is a log line of operation c1.
func logged(ms int, message, more string) []byte {
	return fmt.Appendf(nil, `{"level":"info","function":"server","correlationId":"c1","trace_id":"t1","span_id":"s1",%s"timestamp":"%s%03dZ","message":"%s"}`, more, day, ms, message)
}

func at(ms int) event.Instant { return event.InstantOfMilli(1_769_212_800_000 + int64(ms)) }

// told is a timeline in short.
func told(t timeline.Timeline) (lines []string) {
	for _, e := range t.Entries {
		text := fmt.Sprintf("%d %s %s", e.At-at(0), e.Kind, e.What)
		for _, more := range []string{e.Result, e.ErrorClass, e.Stream} {
			if more != "" {
				text += " " + more
			}
		}
		for _, p := range e.Projected {
			text += fmt.Sprintf(" %s:%s@%d", p.Table, p.State, p.RowVersion)
		}
		lines = append(lines, text)
	}
	return lines
}

func row(stream string, version uint64, parked *projection.Parked) timeline.Row {
	return timeline.Row{Table: "orders-v1", Record: projection.Record{Stream: stream, Version: version, Parked: parked}}
}

func TestMergeJoinsSources(t *testing.T) {
	t.Parallel()
	request := `"method":"POST","path":"/orders/o1/pay",`
	command := `"orderId":"o1","commandName":"PayOrder","stream":"order-o1",`
	poison := &projection.Parked{EventID: "e2", EventVersion: 2, Reason: "no"}
	paid := func(version uint64) event.Event {
		return event.Event{ID: fmt.Sprint("e", version), Type: "OrderPaid", Stream: "order-o1", Version: version, OccurredAt: at(2), Traceparent: "00-t2-s2-01"}
	}
	for name, test := range map[string]struct {
		found timeline.Found
		want  []string
	}{
		"beginning and end are one entry, the event stands in its command": {
			timeline.Found{
				Lines: [][]byte{
					logged(1, "request:start", request), logged(2, "command:start", command),
					logged(3, "command:success", command+`"result":"OK","version":2,`), logged(3, "request:end", request+`"status":200,"result":"OK",`),
				},
				Events: []event.Event{paid(2)}, Rows: []timeline.Row{row("order-o1", 2, nil), row("order-o2", 9, nil)},
			},
			[]string{"1 request POST /orders/o1/pay OK", "2 command PayOrder OK order-o1", "2 event OrderPaid order-o1 orders-v1:applied@2"},
		},
		"a command that was retried is two": {
			timeline.Found{Lines: [][]byte{
				logged(1, "command:start", command), logged(2, "command:failed", command+`"result":"NG","errorClass":"infra","error":"busy",`),
				logged(3, "command:start", command), logged(4, "command:conflict", command+`"attempt":1,`), logged(5, "command:success", command+`"result":"OK",`),
			}},
			[]string{"1 command PayOrder NG infra order-o1", "3 command PayOrder OK order-o1", "4 log command:conflict order-o1"},
		},
		"an end whose beginning is gone began when it says": {
			timeline.Found{Lines: [][]byte{logged(30, "request:end", request+`"durationMs":12.5,"result":"NG","errorClass":"bug",`)}},
			[]string{"18 request POST /orders/o1/pay NG bug"},
		},
		"a beginning without an end has no result": {
			timeline.Found{Lines: [][]byte{logged(1, "request:start", request), logged(2, "command:start", command)}},
			[]string{"1 request POST /orders/o1/pay", "2 command PayOrder order-o1"},
		},
		"what is set aside, and what waits behind it": {
			timeline.Found{Events: []event.Event{paid(3), paid(1), paid(2)}, Rows: []timeline.Row{row("order-o1", 1, poison)}},
			[]string{"2 event OrderPaid order-o1 orders-v1:applied@1", "2 event OrderPaid order-o1 orders-v1:parked@1", "2 event OrderPaid order-o1 orders-v1:blocked@1"},
		},
		"not delivered yet": {
			timeline.Found{Events: []event.Event{paid(1)}, Rows: []timeline.Row{row("order-o1", 0, nil)}},
			[]string{"2 event OrderPaid order-o1 orders-v1:behind@0"},
		},
		"lines that are not ours": {
			timeline.Found{Lines: [][]byte{
				logged(5, "projection:gap", `"stream":"order-o1",`), []byte("goroutine 1 [running]: c1"), []byte(`{"status":"x","correlationId":"c1","message":"y"}`), []byte(`["c1"]`),
			}},
			[]string{"5 log projection:gap order-o1", "5 log goroutine 1 [running]: c1", "5 log y", `5 log ["c1"]`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := gocmp.Diff(test.want, told(timeline.Merge(test.found))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTracesAreNamedOnceAndLinked(t *testing.T) {
	t.Parallel()
	got := timeline.Merge(timeline.Found{
		Lines:  [][]byte{logged(1, "a", ""), logged(2, "b", "")},
		Events: []event.Event{{Stream: "order-o1", Version: 1, OccurredAt: at(1), Traceparent: "00-t1-s2-01"}, {Stream: "order-o1", Version: 2, OccurredAt: at(1), Traceparent: "damaged"}},
	})
	got.Link("http://traces/{traceId}?")
	if diff := gocmp.Diff([]timeline.Trace{{ID: "t1", URL: "http://traces/t1?"}}, got.Traces); diff != "" {
		t.Error(diff)
	}
}

func TestTheAddressOfATrace(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for template, want := range map[string]string{
		"http://x/{traceId}":     "http://x/" + id,
		"http://x/{xrayTraceId}": "http://x/1-4bf92f35-77b34da6a3ce929d0e0e4736",
		"http://x":               "",
	} {
		if !timeline.NamesTrace(template) {
			if want != "" {
				t.Errorf("%s has a place", template)
			}
			continue
		}
		if got := timeline.TraceURL(template, id); got != want {
			t.Errorf("%s: %s", template, got)
		}
	}
}

// history is a made-up operation: lines in the order of a file, and events.
func history(t *rapid.T) timeline.Found {
	messages := []string{"request:start", "request:end", "command:start", "command:success", "command:failed", "query:success", "projection:gap", "health:failing"}
	var found timeline.Found
	ms := 0
	for i := range rapid.IntRange(0, 30).Draw(t, "lines") {
		ms += rapid.IntRange(0, 2).Draw(t, "later")
		more := fmt.Sprintf(`"n":%d,"span_id":"s%d","result":"OK",`, i, rapid.IntRange(0, 2).Draw(t, "span"))
		found.Lines = append(found.Lines, logged(ms, rapid.SampledFrom(messages).Draw(t, "message"), more))
	}
	for i := range rapid.IntRange(0, 10).Draw(t, "events") {
		found.Events = append(found.Events, event.Event{Type: "T", Stream: fmt.Sprint("order-", i%3), Version: uint64(i/3 + 1), OccurredAt: at(rapid.IntRange(0, 60).Draw(t, "at"))})
	}
	return found
}

func TestTimelineIsOrderedWithoutRepeats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		found := history(t)
		got := timeline.Merge(found)
		if !slices.IsSortedFunc(got.Entries, func(a, b timeline.Entry) int { return cmp.Compare(a.At, b.At) }) {
			t.Fatalf("not in order: %v", told(got))
		}
		events, ends, logs := 0, 0, 0
		for _, e := range got.Entries {
			switch {
			case e.Kind == timeline.KindEvent:
				events++
			case e.Kind == timeline.KindLog:
				logs++
			case e.Result != "":
				ends++
			}
		}
		wantEnds, wantLogs := 0, 0
		for _, l := range found.Lines {
			switch text := string(l); {
			case strings.Contains(text, "projection:gap"), strings.Contains(text, "health:failing"):
				wantLogs++
			case !strings.Contains(text, ":start"):
				wantEnds++
			}
		}
		if events != len(found.Events) || logs != wantLogs || ends != wantEnds {
			t.Fatalf("%d events of %d, %d ends of %d, %d other lines of %d: %v", events, len(found.Events), ends, wantEnds, logs, wantLogs, told(got))
		}
		again := found
		again.Lines = append(slices.Clone(found.Lines), found.Lines...)
		again.Events = rapid.Permutation(append(slices.Clone(found.Events), found.Events...)).Draw(t, "again")
		if diff := gocmp.Diff(got, timeline.Merge(again)); diff != "" {
			t.Fatalf("what was found twice, in another order, is told in another way: %s", diff)
		}
	})
}
