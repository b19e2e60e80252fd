package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const seedRow = `{"orderId":"o1","total":780,"status":"PAID"`

// logLines are the messages of JSON log lines.
func logLines(t *testing.T, log string) (messages []string, fields []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log) {
		var f map[string]any
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q is not a log line: %v", line, err)
		}
		messages, fields = append(messages, fmt.Sprint(f["message"])), append(fields, f)
	}
	return messages, fields
}

func TestReprojectPrintsSummaryAndFewRows(t *testing.T) {
	t.Parallel()
	got := call(t, "reproject", "--from", put(t, "seed.jsonl", seed))
	got.wants(t, exitDone, "count 2 events, size 1 row", seedRow)
	messages, fields := logLines(t, got.err)
	if fmt.Sprint(messages) != "[reproject:start reproject:done]" || fields[1]["count"] != 2.0 || fields[1]["size"] != 1.0 || fields[1]["result"] != "OK" ||
		fields[0]["correlationId"] == "" || fields[0]["correlationId"] != fields[1]["correlationId"] {
		t.Errorf("logged %s", got.err)
	}
}

func TestReprojectPrintsNoLongLists(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range maxPrinted + 1 {
		fmt.Fprintf(&b, `{"eventId":"e%d","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o%d","total":780}}`+"\n", i, i)
	}
	out := ok(t, "reproject", "--from", put(t, "log.jsonl", b.String()))
	contains(t, out, "size 21 rows")
	if strings.Contains(out, "orderId") {
		t.Errorf("rows printed:\n%s", out)
	}
}

func TestReprojectWritesRows(t *testing.T) {
	t.Parallel()
	file, out := put(t, "seed.jsonl", seed), filepath.Join(t.TempDir(), "orders.jsonl")
	contains(t, ok(t, "reproject", "--from", file, "--out", out), "orders.jsonl: 1 row, ", "count 2 events")
	rows := read(t, out)
	if !strings.HasPrefix(rows, seedRow) || strings.Count(rows, "\n") != 1 {
		t.Errorf("rows: %s", rows)
	}
	if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	got := callWith(t, seed, false, "reproject", "--from", "-", "--out", "-")
	got.wants(t, exitDone, "standard input: count 2 events")
	if got.out != rows {
		t.Errorf("on standard output: %s", got.out)
	}
	contains(t, ok(t, "reproject", "--from", file, "--out", os.DevNull), "1 row")
}

func TestReprojectLogsEachEventInItsOwnContext(t *testing.T) {
	t.Parallel()
	file := put(t, "seed.jsonl", seed)
	for _, flag := range []string{"--log-apply", "--log-level=debug"} {
		messages, fields := logLines(t, call(t, "reproject", "--from", file, flag).err)
		if fmt.Sprint(messages) != "[reproject:start reproject:apply reproject:apply reproject:done]" ||
			fields[1]["correlationId"] != "c1" || fields[2]["correlationId"] != "c2" {
			t.Errorf("%s: logged %v", flag, messages)
		}
	}
}

func TestReprojectWarnsOfAPaymentForAnUnknownOrder(t *testing.T) {
	t.Parallel()
	paid := strings.SplitAfter(strings.ReplaceAll(seed, "o1", "o9"), "\n")[1]
	got := call(t, "reproject", "--from", put(t, "log.jsonl", "\r\n"+strings.ReplaceAll(paid, "e2", "e9")+seed))
	got.wants(t, exitDone, "1 stream parked", "reproject:parked", `"stream":"order-o9"`, `"level":"warn"`, seedRow)
}

func TestReprojectStopsAtABadLineUnlessAskedNotTo(t *testing.T) {
	t.Parallel()
	file := put(t, "log.jsonl", "oops\n"+seed)
	got := call(t, "reproject", "--from", file)
	got.wants(t, exitFailed, file+":1: ", "--skip-bad", "reproject:failed")
	call(t, "reproject", "--from", file, "--skip-bad").wants(t, exitDone, "1 bad line left out", file+":1: ", file+".bad", seedRow)
	if bad := read(t, file+".bad"); bad != "oops\n" {
		t.Errorf("bad lines: %q", bad)
	}
}

func TestReprojectIntoAFolderWarnsOfWhatCannotBeApplied(t *testing.T) {
	t.Parallel()
	unknown := strings.NewReplacer(`"e2"`, `"e9"`, `"o1"`, `"nobody"`).Replace(strings.Split(seed, "\n")[1])
	file, dir := put(t, "seed.jsonl", seed+unknown+"\n"), filepath.Join(t.TempDir(), "data")
	for range 2 {
		call(t, "reproject", "--from", file, "--data", dir).wants(t, exitDone,
			"count 3 events (", "size 1 row of "+dir, "; 1 stream parked (see the warnings)",
			"reproject:parked", "order-nobody at version 1 (event e9)", "it was never placed")
	}
}

func TestReprojectIntoAFolderImportsAndRebuilds(t *testing.T) {
	t.Parallel()
	dir, file := filepath.Join(t.TempDir(), "data"), put(t, "seed.jsonl", seed)
	contains(t, ok(t, "reproject", "--from", file, "--data", dir), "count 2 events (2 new), size 1 row of "+dir)
	contains(t, ok(t, "reproject", "--from", file, "--data", dir), "count 2 events (0 new), size 1 row")
	contains(t, ok(t, "projection", "status", "-d", dir, "--json"), `"rows": 1`, `"head": 2`)
}

func TestReprojectShowsABarOnATerminal(t *testing.T) {
	t.Parallel()
	got := callWith(t, "", true, "reproject", "--from", put(t, "seed.jsonl", seed))
	got.wants(t, exitDone, "100 %", "2 events", seedRow)
	if strings.Contains(got.err, "reproject:start") {
		t.Errorf("log lines on a terminal: %s", got.err)
	}
	callWith(t, "oops\n", true, "reproject", "--from", "-").wants(t, exitFailed, "standard input:1: ")
	callWith(t, seed, true, "reproject", "--from", "-", "--log-apply").wants(t, exitDone, "reproject:apply", "\x1b[")
}
