package replay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// naive is a replay as one would write it first: one event after the other, rows in a map,
// through projection.Folding.
type naive struct {
	foldings map[string]*projection.Folding
	order    []string // streams with a row, as they got one
	held     map[string]map[uint64]event.Event
	parked   map[string]bool
}

func foldNaively(t *rapid.T, log []string) *naive {
	n := &naive{map[string]*projection.Folding{}, nil, map[string]map[uint64]event.Event{}, map[string]bool{}}
	for _, line := range log {
		var e event.Event
		if err := event.Decode([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		n.apply(t, &e)
	}
	return n
}

func (n *naive) apply(t *rapid.T, e *event.Event) {
	f := n.foldings[e.Stream]
	if f == nil {
		var err error
		if f, err = projection.StartFolding(readmodel.Orders(), projection.Record{Stream: e.Stream}); err != nil {
			t.Fatal(err)
		}
		n.foldings[e.Stream], n.held[e.Stream] = f, map[uint64]event.Event{}
	}
	if e.Version == 0 {
		e.Version = f.Version + 1
	}
	switch f.Apply(e, 0) {
	case projection.Gap:
		n.held[e.Stream][e.Version] = *e
	case projection.SetAside:
		n.parked[e.Stream] = true
	case projection.Applied:
		if e.Version == 1 {
			n.order = append(n.order, e.Stream)
		}
		if next, ok := n.held[e.Stream][e.Version+1]; ok {
			n.apply(t, &next)
		}
	}
}

func (n *naive) records(t *rapid.T) []string {
	var all []string
	for _, stream := range n.order {
		r := n.foldings[stream].Record()
		all = append(all, fmt.Sprintf("%s@%d %s parked %v", r.Stream, r.Version, r.Data, n.parked[stream]))
	}
	return all
}

func (n *naive) totals() map[string]map[string]int64 {
	totals := map[string]map[string]int64{}
	for _, stream := range n.order {
		change, _ := n.foldings[stream].Change()
		for _, c := range change.Totals {
			if totals[c.Key] == nil {
				totals[c.Key] = map[string]int64{}
			}
			totals[c.Key][c.Field] += c.Amount
		}
	}
	return totals
}

// anyLog is the lives of some orders, with or without versions, with damage: events that are
// missing, repeated, out of order, of a wrong kind, or not for orders at all.
func anyLog(t *rapid.T) []string {
	var log []string
	orders := rapid.IntRange(1, 12).Draw(t, "orders")
	for o := range orders {
		withVersions := rapid.Bool().Draw(t, "with versions")
		for v := 1; v <= rapid.IntRange(1, 6).Draw(t, "events"); v++ {
			kind := []string{"OrderPlaced", "OrderPaid", "OrderPreparationStarted", "OrderReady", "OrderPickedUp", "Other"}[v-1]
			if rapid.IntRange(0, 9).Draw(t, "surprise") == 0 {
				kind = rapid.SampledFrom([]string{"OrderPlaced", "OrderCancelled", "OrderRefunded", "OrderEaten"}).Draw(t, "kind")
			}
			more := rapid.SampledFrom([]string{
				`,"total":780`, `,"total":5,"lines":[{"product":"caf\u00e9","quantity":1,"unitPrice":2},{"product":"味噌汁","quantity":3,"unitPrice":1}]`,
				`,"total":1,"paymentMethod":"CASH","amount":7,"paidAt":"2026-01-25T15:30:00Z"`, `,"total":"bad","paymentMethod":1`, "",
			}).Draw(t, "fields")
			l := line(fmt.Sprintf("e%d-%d", o, v), kind, fmt.Sprintf("o\\u%04x", 'A'+o), more)
			l = strings.Replace(l, `\\u`, `\u`, 1)
			if withVersions {
				l = strings.Replace(l, `"payload"`, fmt.Sprintf(`"version":%d,"payload"`, v), 1)
			}
			if kind == "Other" {
				l = strings.Replace(l, `"payload"`, `"stream":"order-x","payload"`, 1)
			}
			log = append(log, l)
		}
	}
	log = append(log, rapid.SliceOfN(rapid.SampledFrom(log), 0, 5).Draw(t, "repeated")...)
	if rapid.Bool().Draw(t, "out of order") {
		log = rapid.Permutation(log).Draw(t, "order")
	}
	return log[rapid.IntRange(0, 2).Draw(t, "missing")%len(log):]
}

// Mutations caught: a fold that does not wait for its turn (rows differ with the number of
// workers), rows that share memory with a chunk, a row written back under another stream, a
// gap that is skipped, totals of parked rows left out.
func TestAReplayIsASequentialFold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := anyLog(t)
		want := foldNaively(t, log)
		text := strings.Join(log, rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"}).Draw(t, "newline"))
		got, err := replay.FromReader(t.Context(), strings.NewReader(text), replay.Options{
			Definition: readmodel.Orders(),
			Workers:    rapid.IntRange(1, 5).Draw(t, "workers"),
			ChunkBytes: rapid.SampledFrom([]int{1, 200, 1000, 1 << 20}).Draw(t, "chunk"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.records(t), records(t, got)); diff != "" {
			t.Fatalf("rows: %s\n%s", diff, text)
		}
		totals, err := got.Totals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.totals(), totals); diff != "" {
			t.Fatalf("totals: %s\n%s", diff, text)
		}
		checkCounts(t, want, got)
	})
}

// checkCounts: every event is accounted for, and so is every stream that is not whole.
func checkCounts(t *rapid.T, want *naive, got *replay.Result) {
	held := 0
	for _, g := range got.Gaps {
		held += g.Held
		if want.parked[g.Stream] || want.foldings[g.Stream].Version+1 != g.Missing {
			t.Fatalf("gap %+v", g)
		}
	}
	if sum := got.Applied + got.Duplicates + got.SetAside + got.Ignored + int64(held); sum != got.Events {
		t.Fatalf("%d events are accounted for of %d", sum, got.Events)
	}
	if len(got.Parked) != len(want.parked) {
		t.Fatalf("parked %+v, want %v", got.Parked, want.parked)
	}
}

func records(t *rapid.T, r *replay.Result) []string {
	var all []string
	for row := range r.Rows() {
		record := row.Record()
		all = append(all, fmt.Sprintf("%s@%d %s parked %v", record.Stream, record.Version, record.Data, record.Parked != nil))
	}
	return all
}

// Many more orders than rows are kept open: what is packed must come back whole.
func TestManyOrdersInterleaved(t *testing.T) {
	t.Parallel()
	const orders = 20_000
	var log bytes.Buffer
	for _, step := range []string{"OrderPlaced", "OrderPaid", "OrderPreparationStarted", "OrderReady", "OrderPickedUp"} {
		for i := range orders {
			fmt.Fprintln(&log, line(fmt.Sprint(step, i), step, fmt.Sprint("order", i),
				fmt.Sprintf(`,"total":%d,"lines":[{"product":"dish %d","quantity":1,"unitPrice":%d}]`, i, i%700, i)))
		}
	}
	r, err := replay.FromReader(t.Context(), &log, replay.Options{Definition: readmodel.Orders(), Workers: 4, ChunkBytes: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for row := range r.Rows() {
		o := row.Row.(*readmodel.Order)
		if o.OrderID != fmt.Sprint("order", i) || o.Total != int64(i) || o.Status != readmodel.StatusPickedUp || row.Version != 5 ||
			len(o.Lines) != 1 || o.Lines[0].Product != fmt.Sprint("dish ", i%700) || o.PaidAt.IsZero() || o.PickedUpAt.IsZero() {
			t.Fatalf("row %d: %s@%d %+v", i, row.Stream, row.Version, o)
		}
		i++
	}
	if i != orders || len(r.Parked) > 0 {
		t.Errorf("%d rows, %d parked", i, len(r.Parked))
	}
}

func TestTheEventLogHasTheLinesOfTheLogger(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		`{"eventId":"e\"1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","payload":{"orderId":"お1\n","total":780}}`,
		versioned(2, "p2", "OrderPaid", "p", ""),
		versioned(1, "p1", "OrderPlaced", "p", `,"total":1`),
		versioned(1, "p1", "OrderPlaced", "p", `,"total":1`),
		line("q1", "OrderPaid", "q", ""),
		line("q2", "OrderPaid", "q", ""),
		`{"eventId":"x","type":"ProductAdded","occurredAt":"2026-01-24T00:00:00.000Z","stream":"product-1","payload":{}}`,
	}, "\n")
	var want, got bytes.Buffer
	logger := observe.NewLogger(&want, zerolog.DebugLevel, "reproject")
	say := func(e *zerolog.Event, correlation, id, kind, stream, reason, message string) {
		e = e.Str("correlationId", correlation).Str("eventId", id).Str("type", kind).Str("stream", stream)
		if reason != "" {
			e = e.Str("error", reason)
		}
		e.Msg(message)
	}
	say(logger.Info(), "reproject", `e"1`, "OrderPlaced", "order-お1\n", "", "reproject:apply")
	say(logger.Info(), "c", "p2", "OrderPaid", "order-p", "", "reproject:gap")
	say(logger.Info(), "c", "p1", "OrderPlaced", "order-p", "", "reproject:apply")
	say(logger.Info(), "c", "p2", "OrderPaid", "order-p", "", "reproject:apply")
	say(logger.Info(), "c", "p1", "OrderPlaced", "order-p", "", "reproject:duplicate")
	say(logger.Warn(), "c", "q1", "OrderPaid", "order-q", "OrderPaid for an unknown order (stream order-q): it was never placed", "reproject:parked")
	say(logger.Info(), "c", "q2", "OrderPaid", "order-q", "", "reproject:set-aside")

	for _, chunk := range []int{1, 1 << 20} {
		got.Reset()
		o := options()
		o.ChunkBytes, o.EventLog = chunk, replay.NewEventLog(&got, zerolog.InfoLevel, "reproject")
		if _, err := replay.FromReader(t.Context(), strings.NewReader(log), o); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withoutTime(t, want.String()), withoutTime(t, got.String())); diff != "" {
			t.Errorf("in chunks of %d: %s", chunk, diff)
		}
	}
}

// withoutTime checks each line's timestamp and cuts it out.
func withoutTime(t *testing.T, log string) []string {
	t.Helper()
	lines := strings.Split(log, "\n")
	for i, l := range lines[:len(lines)-1] {
		var fields struct{ Timestamp event.Instant }
		if err := json.Unmarshal([]byte(l), &fields); err != nil || fields.Timestamp.IsZero() {
			t.Errorf("%v: %s", err, l)
		}
		lines[i] = strings.Replace(l, fields.Timestamp.String(), "", 1)
	}
	return lines
}

// refusing is a log file on a full disk.
type refusing struct{ error }

func (r refusing) Write([]byte) (int, error) { return 0, r.error }

func TestAnEventLogThatCannotBeWrittenEndsTheReplay(t *testing.T) {
	t.Parallel()
	o := options()
	o.EventLog = replay.NewEventLog(refusing{fmt.Errorf("disk full")}, zerolog.InfoLevel, "reproject")
	_, err := replay.FromReader(t.Context(), strings.NewReader(seed), o)
	if err == nil || err.Error() != "writing the event log: disk full" {
		t.Errorf("FromReader = %v", err)
	}
}
