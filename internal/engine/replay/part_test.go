package replay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

func newPart(t testing.TB, o replay.PartOptions) *replay.Part {
	t.Helper()
	o.Definition = readmodel.Orders()
	p, err := replay.NewPart(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eventLine is an event with a place in its stream, as the log has it.
func eventLine(order string, version int, typ, payload string, at int) string {
	return fmt.Sprintf(`{"eventId":"e-%s-%d","type":%q,"occurredAt":"2026-01-24T03:00:%02d.000Z","correlationId":"c","payload":%s,"stream":"order-%s","version":%d}`+"\n",
		order, version, typ, at, payload, order, version)
}

func placedLine(order string, at int) string {
	return eventLine(order, 1, "OrderPlaced", fmt.Sprintf(`{"orderId":%q,"total":780}`, order), at)
}

func paidLine(order string, version, at int) string {
	return eventLine(order, version, "OrderPaid", fmt.Sprintf(`{"orderId":%q,"paidAt":"2026-01-24T03:00:%02d.000Z"}`, order, at), at)
}

// bulk is what a part would put into a store, and the streams that it leaves out.
func bulk(t *testing.T, p *replay.Part) (map[string]projection.Record, []model.Contribution, []string) {
	t.Helper()
	b, leftOut := p.Bulk("p")
	rows := map[string]projection.Record{}
	for record, err := range b.Rows {
		if err != nil {
			t.Fatal(err)
		}
		record.Stream = strings.Clone(record.Stream)
		rows[record.Stream] = record
	}
	return rows, b.Totals(), leftOut()
}

func TestAPartStopsAtItsNumber(t *testing.T) {
	t.Parallel()
	p := newPart(t, replay.PartOptions{})
	log := placedLine("a", 1) + placedLine("b", 2) + paidLine("a", 2, 3)
	if err := p.Add([]byte(log), 7, 8); err != nil {
		t.Fatal(err)
	}
	rows, totals, _ := bulk(t, p)
	if len(rows) != 2 || rows["order-a"].Version != 1 || rows["order-a"].Writes != 1 {
		t.Errorf("rows %+v", rows)
	}
	if diff := cmp.Diff([]model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: 2}}, totals); diff != "" {
		t.Error(diff)
	}
}

func TestAPartLeavesOutWhatCameAfterTheMoment(t *testing.T) {
	t.Parallel()
	until, err := event.ParseInstant("2026-01-24T03:00:02.000Z")
	if err != nil {
		t.Fatal(err)
	}
	p := newPart(t, replay.PartOptions{Until: until})
	if err := p.Add([]byte(placedLine("a", 2)+paidLine("a", 2, 3)+placedLine("b", 4)), 1, 3); err != nil {
		t.Fatal(err)
	}
	rows, _, _ := bulk(t, p)
	if len(rows) != 1 || rows["order-a"].Version != 1 || p.Counts().Later != 2 || len(p.Gaps()) != 0 {
		t.Errorf("rows %+v, counts %+v, gaps %v", rows, p.Counts(), p.Gaps())
	}
}

func TestAPoisonEventParksItsStreamOnly(t *testing.T) {
	t.Parallel()
	p := newPart(t, replay.PartOptions{Now: 42})
	log := paidLine("never-placed", 1, 1) + placedLine("a", 2) + paidLine("a", 2, 3) + eventLine("a", 3, "OrderPlaced", `{"orderId":"a","total":780}`, 4)
	if err := p.Add([]byte(log), 1, 4); err != nil {
		t.Fatal(err)
	}
	rows, _, _ := bulk(t, p)
	first, second := rows["order-never-placed"], rows["order-a"]
	if first.Version != 0 || first.Data != nil || first.Parked == nil || first.Parked.Since != 42 {
		t.Errorf("%+v", first)
	}
	if second.Version != 2 || second.Parked == nil || second.Parked.EventVersion != 3 {
		t.Errorf("%+v", second)
	}
}

func TestARowThatTotalsHaveNoRoomForIsLeftToBeFoldedAgain(t *testing.T) {
	t.Parallel()
	p := newPart(t, replay.PartOptions{Now: 42})
	log := eventLine("big", 1, "OrderPlaced", `{"orderId":"big","total":1000000000001}`, 1) + placedLine("a", 2) + paidLine("big", 2, 3)
	if err := p.Add([]byte(log), 1, 3); err != nil {
		t.Fatal(err)
	}
	rows, totals, leftOut := bulk(t, p)
	if _, there := rows["order-a"]; !there || len(rows) != 1 {
		t.Errorf("rows %+v", rows)
	}
	if diff := cmp.Diff([]model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: 1}}, totals); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"order-big"}, leftOut); diff != "" {
		t.Error(diff)
	}
	whole, err := replay.FromReader(t.Context(), strings.NewReader(log), replay.Options{Definition: readmodel.Orders()})
	if err != nil {
		t.Fatal(err)
	}
	if totals, err := whole.Totals(t.Context()); err == nil || !strings.Contains(err.Error(), "order-big: the row would add 1000000000001") {
		t.Errorf("totals of the whole log: %v, %v", totals, err)
	}
}

func TestALineThatIsNoEventNamesItsNumber(t *testing.T) {
	t.Parallel()
	err := newPart(t, replay.PartOptions{}).Add([]byte(placedLine("a", 1)+"{\n"), 10, 20)
	if err == nil || !strings.Contains(err.Error(), "event 11 of the log") {
		t.Errorf("%v", err)
	}
}

// The parts of any division hold together what the whole log folds to. It catches a part that
// forgets to filter, counts a row twice, or keeps hold of the caller's memory.
func TestPartsHoldWhatTheWholeLogHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := randomLog(t)
		whole, err := replay.FromReader(t.Context(), strings.NewReader(log), replay.Options{Definition: readmodel.Orders()})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for row := range whole.Rows() {
			record := row.Record()
			want[record.Stream] = fmt.Sprint(record.Version, string(record.Data), record.Place)
		}
		count := rapid.IntRange(1, 5).Draw(t, "parts")
		got, totals := map[string]string{}, map[string]map[string]int64{}
		for index := range count {
			rows, sums := partOf(t, log, index, count)
			for _, r := range rows {
				if _, twice := got[r.Stream]; twice {
					t.Fatalf("%s is in two parts", r.Stream)
				}
				if r.Version > 0 {
					got[strings.Clone(r.Stream)] = fmt.Sprint(r.Version, string(r.Data), r.Place)
				}
			}
			for _, c := range sums {
				if totals[c.Key] == nil {
					totals[c.Key] = map[string]int64{}
				}
				totals[c.Key][c.Field] += c.Amount
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		wantTotals, err := whole.Totals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantTotals, totals); diff != "" {
			t.Fatal(diff)
		}
	})
}

func partOf(t *rapid.T, log string, index, count int) ([]projection.Record, []model.Contribution) {
	p, err := replay.NewPart(replay.PartOptions{Definition: readmodel.Orders(), Has: func(stream string) bool {
		return int(eventlog.HashOf(stream)%uint64(count)) == index
	}})
	if err != nil {
		t.Fatal(err)
	}
	number := uint64(1)
	for line := range strings.Lines(log) {
		memory := []byte(line)
		if err := p.Add(memory, number, number); err != nil {
			t.Fatal(err)
		}
		copy(memory, bytes.Repeat([]byte("x"), len(memory)))
		number++
	}
	b, _ := p.Bulk("p")
	var rows []projection.Record
	for r, err := range b.Rows {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows, b.Totals()
}

// randomLog is a log with versions: repeats, disorder and poison included.
func randomLog(t *rapid.T) string {
	var lines []string
	orders := rapid.IntRange(1, 6).Draw(t, "orders")
	for i := range orders {
		order := fmt.Sprint("o", i)
		life := []string{placedLine(order, 1), paidLine(order, 2, 2), eventLine(order, 3, "OrderReady", fmt.Sprintf(`{"orderId":%q}`, order), 3)}
		lines = append(lines, life[:rapid.IntRange(1, 3).Draw(t, "life")]...)
		if rapid.IntRange(0, 5).Draw(t, "poison") == 0 {
			lines = append(lines, eventLine(order, 4, "OrderPlaced", `{"orderId":"x","total":1}`, 4))
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "repeats") {
		lines = append(lines, rapid.SampledFrom(lines).Draw(t, "repeat"))
	}
	lines = rapid.Permutation(lines).Draw(t, "order")
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Fatalf("not JSON: %s", l)
		}
	}
	return strings.Join(lines, "")
}
