package replay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/replay"
)

const seed = `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}
{"eventId":"e2","type":"OrderPaid","occurredAt":"2026-01-24T00:01:00.000Z","correlationId":"c2","payload":{"orderId":"o1","paidAt":"2026-01-24T00:01:00.000Z"}}
`

// line is an event of the kind that the seed's log has.
func line(id, kind, order, more string) string {
	return fmt.Sprintf(`{"eventId":%q,"type":%q,"occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c","payload":{"orderId":%q%s}}`, id, kind, order, more)
}

// versioned is line with a version.
func versioned(version int, id, kind, order, more string) string {
	return strings.Replace(line(id, kind, order, more), `"payload"`, fmt.Sprintf(`"version":%d,"payload"`, version), 1)
}

func options() replay.Options {
	return replay.Options{Definition: readmodel.Orders(), Name: "test.jsonl", Workers: 2}
}

func replayed(t *testing.T, log string) *replay.Result {
	t.Helper()
	result, err := replay.FromReader(t.Context(), strings.NewReader(log), options())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// statuses is each row as "orderId total status @version".
func statuses(r *replay.Result) []string {
	var all []string
	for row := range r.Rows() {
		o := row.Row.(*readmodel.Order)
		all = append(all, fmt.Sprintf("%s %d %s @%d", o.OrderID, o.Total, o.Status, row.Version))
	}
	return all
}

func wantStatuses(t *testing.T, r *replay.Result, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, statuses(r)); diff != "" {
		t.Error(diff)
	}
	if r.Len() != len(want) {
		t.Errorf("Len = %d, want %d", r.Len(), len(want))
	}
}

func TestTheSeedsLogGivesOnePaidOrder(t *testing.T) {
	t.Parallel()
	r := replayed(t, seed)
	wantStatuses(t, r, "o1 780 PAID @2")
	if diff := cmp.Diff(replay.Progress{Bytes: int64(len(seed)), Lines: 2, Events: 2}, r.Progress); diff != "" {
		t.Error(diff)
	}
	totals, err := r.Totals(t.Context())
	want := map[string]map[string]int64{"2026-01-24": {"orders": 1, "paid": 1, "revenue.UNKNOWN": 780}}
	if diff := cmp.Diff(want, totals); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestLinesMayEndAndBeginAsTheyLike(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(seed), "\n")
	for name, log := range map[string]string{
		"blank lines":                    "\n \t\n" + lines[0] + "\n\n\n" + lines[1] + "\n\n",
		"CRLF":                           strings.ReplaceAll(seed, "\n", "\r\n") + "\r\n",
		"no newline at the end":          strings.TrimSuffix(seed, "\n"),
		"a byte order mark":              "\ufeff" + seed,
		"a byte order mark and no lines": "\ufeff\n" + seed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantStatuses(t, replayed(t, log), "o1 780 PAID @2")
		})
	}
}

func TestAnEmptyLogGivesNoRows(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]string{"nothing at all": "", "one newline": "\n", "only blank lines": "\n\r\n  \n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := replayed(t, log)
			wantStatuses(t, r)
			if totals, err := r.Totals(t.Context()); len(totals) > 0 || err != nil {
				t.Errorf("Totals = %v, %v", totals, err)
			}
			if r.Lines != r.Blank || r.Bytes != int64(len(log)) {
				t.Errorf("%+v for %d bytes", r.Progress, len(log))
			}
		})
	}
}

func TestRowsComeInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var want []string
	for i := range 500 {
		id := fmt.Sprintf("o%d", (i*7919)%500)
		fmt.Fprintln(&log, line("e"+id, "OrderPlaced", id, `,"total":1`))
		want = append(want, id+" 1 ORDERED @1")
	}
	o := options()
	o.ChunkBytes = 300
	r, err := replay.FromReader(t.Context(), strings.NewReader(log.String()), o)
	if err != nil {
		t.Fatal(err)
	}
	wantStatuses(t, r, want...)
	n := 0
	for range r.Rows() { // may be left early
		if n++; n == 3 {
			break
		}
	}
}

func TestAnEventThatCannotBeAppliedParksItsStreamOnly(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		line("a1", "OrderPaid", "never-placed", ""),
		line("b1", "OrderPlaced", "b", `,"total":1`),
		line("b2", "OrderPlaced", "b", `,"total":2`),
		line("b3", "OrderPaid", "b", ""),
		line("c1", "OrderPlaced", "c", `,"total":"much"`),
		line("d1", "OrderPlaced", "d", `,"total":4`),
		line("d2", "OrderPaid", "d", ""),
	}, "\n")
	r := replayed(t, log)
	wantStatuses(t, r, "b 1 ORDERED @1", "d 4 PAID @2")
	var got []string
	for _, p := range r.Parked {
		got = append(got, fmt.Sprintf("%d %s %s @%d: %s", p.Line, p.Stream, p.EventID, p.Version, p.Reason))
	}
	want := []string{
		"1 order-never-placed a1 @0: OrderPaid for an unknown order (stream order-never-placed): it was never placed",
		"3 order-b b2 @1: order b was placed before",
		"5 order-c c1 @0: payload of OrderPlaced: byte 24: total must be an integer, not a string",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Applied != 3 || r.SetAside != 4 || r.Events != 7 {
		t.Errorf("applied %d, set aside %d of %d", r.Applied, r.SetAside, r.Events)
	}
	for row := range r.Rows() {
		if parked := row.Parked != nil; parked != (row.Stream == "order-b") {
			t.Errorf("%s is parked: %v", row.Stream, parked)
		}
	}
}

func TestEventsThatComeTooEarlyWait(t *testing.T) {
	t.Parallel()
	placed, paid := versioned(1, "e1", "OrderPlaced", "o", `,"total":5`), versioned(2, "e2", "OrderPaid", "o", "")
	preparing, ready := versioned(3, "e3", "OrderPreparationStarted", "o", ""), versioned(4, "e4", "OrderReady", "o", "")
	for name, tc := range map[string]struct {
		log              []string
		want             string
		duplicates, held int
	}{
		"backwards":         {[]string{ready, preparing, paid, placed}, "o 5 READY @4", 0, 0},
		"with duplicates":   {[]string{paid, paid, placed, placed, ready, paid, preparing, preparing}, "o 5 READY @4", 4, 0},
		"with a gap":        {[]string{placed, ready, preparing, ready}, "o 5 ORDERED @1", 1, 2},
		"closed without it": {[]string{preparing, placed, line("x", "OrderPaid", "o", ""), ready}, "o 5 READY @4", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := replayed(t, strings.Join(tc.log, "\n"))
			wantStatuses(t, r, tc.want)
			if r.Duplicates != int64(tc.duplicates) {
				t.Errorf("%d duplicates, want %d", r.Duplicates, tc.duplicates)
			}
			var want []replay.Gap
			if tc.held > 0 {
				want = []replay.Gap{{Stream: "order-o", Missing: 2, Held: tc.held}}
			}
			if diff := cmp.Diff(want, r.Gaps); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAHeldEventThatCannotBeAppliedIsNamedByItsOwnLine(t *testing.T) {
	t.Parallel()
	r := replayed(t, strings.Join([]string{
		versioned(3, "e3", "OrderPaid", "o", ""),
		versioned(2, "e2", "OrderPlaced", "o", `,"total":2`),
		versioned(1, "e1", "OrderPlaced", "o", `,"total":1`),
	}, "\n"))
	wantStatuses(t, r, "o 1 ORDERED @1")
	if len(r.Parked) != 1 || r.Parked[0].Line != 2 || r.Parked[0].EventID != "e2" || r.SetAside != 2 || len(r.Gaps) != 0 {
		t.Errorf("parked %+v, %d set aside, gaps %v", r.Parked, r.SetAside, r.Gaps)
	}
}

func TestStreamsOfOtherProjectionsAreIgnored(t *testing.T) {
	t.Parallel()
	other := `{"eventId":"p1","type":"ProductAdded","occurredAt":"2026-01-24T00:00:00.000Z","stream":"product-1","payload":{}}` + "\n"
	r := replayed(t, other+seed+other)
	wantStatuses(t, r, "o1 780 PAID @2")
	if r.Ignored != 2 || r.Events != 4 {
		t.Errorf("ignored %d of %d", r.Ignored, r.Events)
	}
}

func TestProgressGrowsToTheEnd(t *testing.T) {
	t.Parallel()
	log := bytes.Repeat([]byte(seed), 200)
	var last replay.Progress
	o := options()
	o.ChunkBytes = 1000
	o.Progress = func(p replay.Progress) {
		if p.Bytes <= last.Bytes || p.Events <= last.Events {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}
	r, err := replay.FromReader(t.Context(), bytes.NewReader(log), o)
	if err != nil {
		t.Fatal(err)
	}
	if last != r.Progress || last.Bytes != int64(len(log)) || last.Events != 400 {
		t.Errorf("last %+v, result %+v", last, r.Progress)
	}
}

func TestARecordIsWhatATableStores(t *testing.T) {
	t.Parallel()
	for row := range replayed(t, seed).Rows() {
		got := row.Record()
		var o readmodel.Order
		if err := json.Unmarshal(got.Data, &o); err != nil {
			t.Fatal(err)
		}
		if got.Stream != "order-o1" || got.Version != 2 || got.Place != o.Place() || o.Status != readmodel.StatusPaid {
			t.Errorf("%+v", got)
		}
	}
}
