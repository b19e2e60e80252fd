package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/observe/spans"
)

// withSpans is a data folder in which a server has kept spans.
func withSpans(t *testing.T) string {
	t.Helper()
	dir := seeded(t)
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	lines := `{"timestamp":"2026-01-24T00:00:00.001000Z","name":"PayOrder","kind":"internal","durationMs":40,"trace_id":"t1","span_id":"b","parent_id":"a","attributes":{"gakushoku.stream":"order-o1","gakushoku.command":"PayOrder"}}
{"timestamp":"2026-01-24T00:00:00.005000Z","name":"append","kind":"client","durationMs":30.5,"trace_id":"t1","span_id":"c","parent_id":"b","error":"the disk\u001b[31m is full"}
{"timestamp":"2026-01-24T00:00:00.000000Z","name":"POST /orders/{id}/pay","kind":"server","durationMs":50,"trace_id":"t1","span_id":"a","attributes":{"http.route":"/orders/{id}/pay","http.response.status_code":503,"correlation.id":"c1"}}
{"timestamp":"2026-01-24T00:01:00.000000Z","name":"process events","kind":"consumer","durationMs":70,"trace_id":"t2","span_id":"d"}
{"timestamp":"2026-01-24T00:02:00.000000Z","name":"cut o`
	if err := os.WriteFile(filepath.Join(dir, "logs", "spans.log"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSlowShowsWhereTheTimeWent(t *testing.T) {
	t.Parallel()
	dir := withSpans(t)
	const want = `TOOK     OWN      WHAT                   DETAIL
70.0 ms  70.0 ms  process events         2026-01-24T00:01:00.000Z trace=t2
                                         
50.0 ms  10.0 ms  POST /orders/{id}/pay  2026-01-24T00:00:00.000Z correlation.id=c1 http.response.status_code=503 trace=t1
40.0 ms  9.5 ms     PayOrder             stream=order-o1
30.5 ms  30.5 ms      append             FAILED: the disk�[31m is full
`
	if got := ok(t, "slow", "-d", dir, "--since", "2026-01-24T00:00:00Z"); got != want {
		t.Errorf("%s", got)
	}
	contains(t, ok(t, "slow", "-d", dir, "--since", "2026-01-24T00:00:30Z", "--limit", "1"), "process events")
	var report slowReport
	if err := json.Unmarshal([]byte(ok(t, "slow", "-d", dir, "--since", "2026-01-24T00:00:00Z", "--json", "--limit", "1")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Source != spans.FromSpans || len(report.Operations) != 1 || report.Operations[0].Name != "process events" {
		t.Errorf("%+v", report)
	}
	call(t, "slow", "-d", dir, "--limit", "0").wants(t, exitUsage, "--limit")
	call(t, "slow", "-d", dir).wants(t, exitDone, "Nothing was timed since 2")
}

func TestSlowFallsBackToLogLines(t *testing.T) {
	t.Parallel()
	dir := withSpans(t)
	if err := os.Remove(filepath.Join(dir, "logs", "spans.log")); err != nil {
		t.Fatal(err)
	}
	line := `{"level":"info","message":"request:end","method":"GET","path":"/orders/o1","status":200,"durationMs":12.5,"correlationId":"c1","trace_id":"t1","timestamp":"` + time.Now().UTC().Format(time.RFC3339) + `"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "logs", "gakushoku.log"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, ok(t, "slow", "-d", dir), "12.5 ms  12.5 ms  GET /orders/o1", "correlation.id=c1", "Note: no spans were kept")
}

func TestSlowListsRebuilds(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	ok(t, "projection", "rebuild", "orders", "-d", dir)
	lines := strings.Split(ok(t, "slow", "-d", dir), "\n")
	if len(lines) < 4 || !strings.Contains(lines[1], "rebuild orders") || !strings.Contains(lines[1], "run_id=") || !strings.Contains(strings.Join(lines, "\n"), "  Verify") {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
}
