package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// poison is an order that is placed twice, which no fold can apply.
const poison = `{"eventId":"p1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c8","payload":{"orderId":"bad","total":100}}
{"eventId":"p2","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:01.000Z","correlationId":"c9","payload":{"orderId":"bad","total":200}}
`

// projected is a data folder with the seed and a poisoned order, both in the read model and in
// the log.
func projected(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	ok(t, "events", "import", "--allow-unfoldable", put(t, "seed.jsonl", seed+poison), "--data", dir)
	call(t, "projection", "heal", "orders", "--stream", "o1", "--stream", "order-bad", "-d", dir).
		wants(t, exitFailed, "order-o1 in orders-v1: healed, version 0 to 2", "order-bad in orders-v1: parked at version 2 (event p2)", "2 rows, 2 healed, 1 parked")
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(folder.Archive(t.Context()), folder.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// One byte of an event in the store has changed. No repair takes it into the read model.
func TestNoRepairSpreadsAnEventThatChanged(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	path := filepath.Join(dir, "events.db")
	raw := read(t, path)
	if strings.Count(raw, `{"orderId":"o1","total":780}`) != 1 {
		t.Fatal("the payload is not in the file as it was written")
	}
	if err := os.WriteFile(path, []byte(strings.Replace(raw, `{"orderId":"o1","total":780}`, `{"orderId":"o1","total":980}`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	const what = "version 1 (event e1 in the log) differs between store and log"
	call(t, "projection", "verify", "orders", "-d", dir).wants(t, exitFailed, "1 disputed", what, "events verify --deep")
	call(t, "projection", "verify", "orders", "--fix", "-d", dir).wants(t, exitFailed, "1 disputed", what)
	call(t, "projection", "heal", "orders", "--stream", "o1", "-d", dir).wants(t, exitFailed, "order-o1 in orders-v1: left alone: "+what)
	call(t, "projection", "rebuild", "orders", "--stream", "o1", "-d", dir).wants(t, exitFailed, "1 row left alone", what)
	call(t, "projection", "rebuild", "orders", "--from-event-number", "1", "-d", dir).wants(t, exitFailed, "1 row left alone")
	call(t, "projection", "rebuild", "orders", "--from-inconsistency", "-d", dir).wants(t, exitFailed, "1 disputed")
	call(t, "projection", "rebuild", "orders", "--allow-parked", "1", "-d", dir).wants(t, exitFailed, "order-o1 is disputed")
	call(t, "events", "verify", "--deep", "-d", dir).wants(t, exitFailed, "the log has another event there than the store")
	if row := ok(t, "explain", "orders", "o1", "--json", "-d", dir); strings.Contains(row, `"total":980,"status"`) {
		t.Errorf("the row has it: %s", row)
	}
}

// damage changes the row of a stream in the first version of the orders, and adds to totals.
func damage(t *testing.T, dir, stream string, change func(*projection.Record), totals ...model.Contribution) {
	t.Helper()
	damageIn(t, dir, 1, stream, change, totals...)
}

func damageIn(t *testing.T, dir string, version int, stream string, change func(*projection.Record), totals ...model.Contribution) {
	t.Helper()
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	table := projection.Table{Projection: "orders", Version: version}
	rows, err := folder.Tables.Records(t.Context(), table, []string{stream})
	if err != nil {
		t.Fatal(err)
	}
	r := rows[stream]
	change(&r)
	if late, err := folder.Tables.Write(t.Context(), table, []projection.Change{{Record: r, Expected: r.Writes, Totals: totals}}); err != nil || len(late) > 0 {
		t.Fatalf("late %v, %v", late, err)
	}
}

func unpaid(r *projection.Record) {
	r.Data = bytes.Replace(r.Data, []byte(`"PAID"`), []byte(`"ORDERED"`), 1)
}

func TestVerifyJudgesAReadModel(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	contains(t, ok(t, "projection", "verify", "orders", "-d", dir), "orders-v1 (active, revision 2): 2 rows of 2 streams, 4 events and 3 totals compared", "1 stream parked, as the events say", "It is sound.")
	contains(t, ok(t, "projection", "verify", "orders", "-d", dir, "--sample", "100%"), "2 rows", "3 totals")
	contains(t, ok(t, "projection", "verify", "orders", "-d", dir, "--sample", "0.5"), "a sample of 50 %", "0 totals")
	contains(t, ok(t, "projection", "verify", "orders", "-d", dir, "--sample", "0.000001"), "a sample of 0.0001 %", "1 row of 1 stream")
	damage(t, dir, "order-o1", unpaid)
	call(t, "projection", "verify", "orders", "-d", dir).wants(t, exitFailed,
		"1 problem: 1 different", "order-o1", "different", "e2", "c2", `status is "ORDERED", should be "PAID"`, "--fix", "gakushoku: orders is not sound\n")
	call(t, "projection", "verify", "orders", "--fix", "-d", dir).wants(t, exitDone, "different, fixed", "1 row fixed: it is sound now")
	ok(t, "projection", "verify", "orders", "--version", "1", "-d", dir)
}

func TestVerifyReportsWrongTotals(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	damage(t, dir, "order-o1", func(*projection.Record) {}, model.Contribution{Key: "2026-01-24", Field: readmodel.FieldPaid, Amount: 3})
	for _, flags := range [][]string{nil, {"--fix"}} {
		got := call(t, append([]string{"projection", "verify", "orders", "-d", dir}, flags...)...)
		got.wants(t, exitFailed, "2026-01-24", "paid", "Only a rebuild puts wrong totals right: gakushoku projection rebuild orders")
		if fields := strings.Fields(got.out[strings.Index(got.out, "SHOULD BE"):]); strings.Join(fields[2:6], " ") != "2026-01-24 paid 4 1" {
			t.Errorf("the table is %q", fields)
		}
	}
}

func TestVerifyReportsAsJSON(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	for _, wrong := range []bool{false, true} {
		if wrong {
			damage(t, dir, "order-o1", unpaid)
		}
		got := call(t, "projection", "verify", "orders", "-d", dir, "--json")
		var report struct {
			Sound    bool           `json:"sound"`
			Rows     int            `json:"rows"`
			Counts   map[string]int `json:"counts"`
			Problems []struct {
				Class, Stream, EventID, CorrelationID string
				Fields                                []struct{ Name string }
			} `json:"problems"`
		}
		if err := json.Unmarshal([]byte(got.out), &report); err != nil {
			t.Fatal(err)
		}
		if report.Sound == wrong || (got.code == exitDone) == wrong || report.Rows != 2 || report.Counts["different"] != len(report.Problems) {
			t.Errorf("exit %d, report %+v", got.code, report)
		}
		if wrong && (report.Problems[0].Stream != "order-o1" || report.Problems[0].CorrelationID != "c2" || report.Problems[0].Fields[0].Name != "status") {
			t.Errorf("problems %+v", report.Problems)
		}
	}
}

func TestUndecidedVerifyExitsWith2(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	call(t, "projection", "verify", "orders", "-d", missing).wants(t, exitUnknown, "gakushoku: could not tell: there is no data folder")
	dir := projected(t)
	call(t, "projection", "verify", "meals", "-d", dir).wants(t, exitUsage, `there is no projection "meals": choose one of [orders products categories stock checkout]`)
	call(t, "projection", "verify", "orders", "--version", "7", "-d", dir).wants(t, exitUsage, "orders has no version 7")
	call(t, "projection", "verify", "orders", "--sample", "150%", "-d", dir).wants(t, exitUsage, "not a share")
}

func TestVerifyShowsAPersonHowFarItIs(t *testing.T) {
	t.Parallel()
	got := callWith(t, "", true, "projection", "verify", "orders", "-d", projected(t))
	got.wants(t, exitDone, "rows compared", "0 problems")
	if !strings.HasSuffix(got.err, "\r\x1b[K") {
		t.Errorf("the line stays: %q", got.err)
	}
}

func TestExplainShowsEverythingBehindARow(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	for _, key := range []string{"o1", "order-o1"} {
		contains(t, ok(t, "explain", "orders", key, "-d", dir), "order-o1 in orders: 2 events", "OrderPlaced", "e2", "c2", "orders-v1: active, folded by revision 2 of the code",
			"row   version 2", `"status":"PAID"`, "listed under 2026-01-24", "2026-01-24 orders +1, 2026-01-24 paid +1, 2026-01-24 revenue.UNKNOWN +780", "It is what the events say.")
	}
	contains(t, ok(t, "explain", "orders", "bad", "-d", dir), "parked since", "1 attempt, at version 2 (event p2): order bad was placed before", "It is what the events say.")
	damage(t, dir, "order-o1", unpaid)
	contains(t, ok(t, "explain", "orders", "o1", "-d", dir), `It is different: status is "ORDERED", should be "PAID"`, "fold  version 2")
	var explained struct {
		Stream string
		Events []struct {
			EventNumber   int
			CorrelationID string
		}
		Versions []struct{ Class string }
	}
	if err := json.Unmarshal([]byte(ok(t, "explain", "orders", "o1", "-d", dir, "--json")), &explained); err != nil {
		t.Fatal(err)
	}
	if explained.Stream != "order-o1" || explained.Events[0].EventNumber == 0 || explained.Events[1].EventNumber != explained.Events[0].EventNumber+1 || explained.Events[1].CorrelationID != "c2" || explained.Versions[0].Class != "different" {
		t.Errorf("%+v", explained)
	}
	call(t, "explain", "orders", "nobody", "-d", dir).wants(t, exitFailed, "explaining nobody of orders: there are no events and there is no row of it")
}

func TestExplainMarksRowBehind(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	late := `{"eventId":"e3","type":"OrderReady","occurredAt":"2026-01-24T00:00:02.000Z","correlationId":"c3","payload":{"orderId":"o1"},"stream":"order-o1","version":3}` + "\n"
	callWith(t, late, false, "events", "import", "-", "--allow-unfoldable", "-d", dir).wants(t, exitDone)
	contains(t, ok(t, "explain", "orders", "o1", "-d", dir), "It is behind the stream", "fold  version 3", `"status":"READY"`)
	call(t, "projection", "verify", "orders", "-d", dir).wants(t, exitFailed, "1 stale", "e3", "c3")
	call(t, "projection", "heal", "orders", "--stream", "o1", "-d", dir).wants(t, exitDone, "version 2 to 3", "1 row, 1 healed, 0 parked")
}

func TestParkedStreamsAreListedAndTriedAgain(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	contains(t, ok(t, "projection", "park", "list", "-d", dir), "orders-v1", "order-bad", "p2", "order bad was placed before")
	contains(t, ok(t, "projection", "park", "list", "orders", "--json", "-d", dir), `{"table":"orders-v1","stream":"order-bad","version":1,"eventId":"p2","eventVersion":2,`)
	call(t, "projection", "heal", "orders", "--parked", "-d", dir).wants(t, exitFailed, "order-bad in orders-v1: parked", "gakushoku: 1 row still parked")
	contains(t, ok(t, "projection", "park", "list", "-d", dir), "  2  ") // attempts
	call(t, "projection", "heal", "orders", "--parked", "--json", "-d", dir).wants(t, exitFailed, `"changed":false`, `"eventId":"p2"`)
	damage(t, dir, "order-bad", func(r *projection.Record) { *r = projection.Record{Stream: r.Stream, Writes: r.Writes} })
	contains(t, ok(t, "projection", "park", "list", "-d", dir), "No stream is parked.")
}

// A row that cannot be read is only parked: nothing of it is mended, and there is no event.
func TestHealReportsUnreadableRow(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	damage(t, dir, "order-o1", func(r *projection.Record) { r.Data = []byte("{oops") })
	for _, text := range []string{"first", "again"} {
		got := call(t, "projection", "heal", "orders", "--stream", "o1", "-d", dir)
		got.wants(t, exitFailed, "order-o1 in orders-v1: parked: the stored row of order-o1 cannot be read", "rebuild the projection", "1 row, 0 healed, 1 parked")
		if strings.Contains(got.out, "event )") {
			t.Errorf("%s: %s", text, got.out)
		}
	}
}

func TestHealRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	call(t, "projection", "heal", "orders", "--stream", "nobody", "-d", dir).wants(t, exitUsage, "stream order-nobody: there are no events and there is no row of it")
	call(t, "projection", "heal", "orders", "-d", dir).wants(t, exitUsage, "--stream", "--parked")
	call(t, "projection", "heal", "orders", "--stream", "o1", "--parked", "-d", dir).wants(t, exitUsage)
}
