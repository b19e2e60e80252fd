package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
)

// eventually waits for a text in what a program writes.
func (r *running) eventually(t *testing.T, o *output, text string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(o.String(), text) {
			return o.String()
		}
		select {
		case code := <-r.ended:
			t.Fatalf("ended with %d: %s%s", code, r.out.String(), r.err.String())
		default:
		}
	}
	t.Fatalf("%q never came in %q", text, o.String())
	return ""
}

func TestServeAnswersUntilItIsStopped(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server := start(t, serving(dir, "--api-keys", "till=k1")...)
	url, ops := server.addresses(t)
	contains(t, ok(t, "health", "wait", url, "--timeout", "30s"), url+"/health/ready is ready after")

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/orders", strings.NewReader(`{"orderId":"o1","total":780}`))
	if err != nil {
		t.Fatal(err)
	}
	for header, value := range map[string]string{"content-type": "application/json", "x-api-key": "k1", "x-correlation-id": "cid-7"} {
		request.Header.Set(header, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("POST /orders: %s", response.Status)
	}
	request.Header.Set("x-api-key", "k2")
	request.Body, _ = request.GetBody()
	if response, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("POST /orders with a wrong key: %s", response.Status)
	}
	contains(t, fetch(t, ops+"/metrics"), "# TYPE http_server_request_duration_seconds histogram\n", `http_route="/orders"`, "gakushoku_events_appended_total 1\n",
		`gakushoku_projection_parked{gakushoku_projection="orders"} 0`, "system_filesystem_utilization_ratio 0.")
	contains(t, ok(t, "events", "show", "o1", "-d", dir), "OrderPlaced", "cid-7", "till")
	logs := ok(t, "logs", "-d", dir, "--correlation-id", "cid-7")
	contains(t, logs, "request:start", "command:success", "request:end", "INFO")
	for line := range strings.Lines(logs) {
		contains(t, line, "cid-7")
	}
	call(t, serving(dir)...).wants(t, exitFailed, "being served by another process")
	call(t, "serve", "-d", filepath.Join(t.TempDir(), "other"), "--addr", strings.TrimPrefix(url, "http://")).wants(t, exitFailed, "cannot listen", "--addr")
	server.stop()
	if code := <-server.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, server.err.String())
	}
	contains(t, server.err.String(), `"message":"server:start"`)
}

// fetch is the body at an address. On a busy machine a server may be unwell for a moment, so 503 is tried again.
func fetch(t *testing.T, address string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		status, body := fetchOnce(t, address)
		switch {
		case status == http.StatusOK:
			return body
		case status != http.StatusServiceUnavailable || time.Now().After(deadline):
			t.Errorf("GET %s: %d %s", address, status, body)
			return body
		}
	}
}

func fetchOnce(t *testing.T, address string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestHealthWaitReportsFailingParts(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/health/ready" && r.URL.Path != "/prod/up":
			http.NotFound(w, r)
		case asked.Add(1) < 3:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, `{"status":"failing","parts":[{"name":"store","status":"ok"},{"name":"disk","status":"failing","detail":"full since %ds"},{"name":"x","status":"failing"}]}`, asked.Load())
		}
	}))
	defer server.Close()
	got := call(t, "health", "wait", strings.TrimPrefix(server.URL, "http://"))
	got.wants(t, exitDone, "503 Service Unavailable (disk: full since 1s; x)\n", "is ready after")
	if n := strings.Count(got.err, "disk"); n != 1 {
		t.Errorf("told %d times: %s", n, got.err)
	}
	call(t, "health", "wait", server.URL+"/prod/up").wants(t, exitDone, "/prod/up is ready")
	call(t, "health", "wait", server.URL+"/elsewhere", "--timeout", "2s").wants(t, exitFailed, "404 Not Found")
}

func TestHealthWaitReportsClosedPort(t *testing.T) {
	t.Parallel()
	call(t, "health", "wait", "127.0.0.1:1", "--timeout", "2s").
		wants(t, exitFailed, "waiting for http://127.0.0.1:1/health/ready (not listening yet)\n", "is not ready after 2s: dial tcp")
}

func TestBannerMentionsMetrics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		opsAddr string
		ops     embedded.Operators
		want    string
	}{
		{"", embedded.Operators{URL: "http://127.0.0.1:8081", Metrics: true}, "\nmetrics and health: http://127.0.0.1:8081\n"},
		{"", embedded.Operators{URL: "http://127.0.0.1:8081"}, "\nhealth: http://127.0.0.1:8081 (no /metrics, since OTEL_METRICS_EXPORTER"},
		{"", embedded.Operators{URL: "http://127.0.0.1:9", Metrics: true}, "127.0.0.1:8081 was taken"},
		{"none", embedded.Operators{}, "from data\n"},
	} {
		var out bytes.Buffer
		(&serverFlags{OpsAddr: c.opsAddr}).announce(&out, "data", "http://x", c.ops)
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%+v: %s", c, &out)
		}
	}
}

func TestHealthWaitGivesUpOnASilentServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	call(t, "health", "wait", server.URL, "--timeout", "50ms").wants(t, exitFailed, "is not ready after 50ms: no answer")
}

// logged is a data folder with a current log and a rotated one.
func logged(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"gakushoku-2026-01-23T00-00-00.000.log": `{"level":"info","correlationId":"c1","timestamp":"2026-01-23T00:00:00.000Z","message":"old"}`,
		"gakushoku.log": `{"level":"error","correlationId":"c1","timestamp":"2026-01-24T00:00:00.000Z","message":"new"}` + "\n" +
			`{"level":"info","correlationId":"c2","timestamp":"2026-01-24T00:00:01.000Z","message":"other"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "logs", name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLogsChoosesLines(t *testing.T) {
	t.Parallel()
	dir := logged(t)
	cases := map[string][]string{
		"":                             {"old", "new", "other"},
		"--correlation-id=c1":          {"old", "new"},
		"--level=error":                {"new"},
		"--text=oth":                   {"other"},
		"--last=2":                     {"new", "other"},
		"--since=2026-01-24T00:00:00Z": {"new", "other"},
		"-c c1 -l info -n 1":           {"new"},
		"-c absent":                    nil,
	}
	for flags, want := range cases {
		var got []string
		for line := range strings.Lines(ok(t, append([]string{"logs", "-d", dir}, strings.Fields(flags)...)...)) {
			got = append(got, strings.Fields(line)[2])
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", flags, got, want)
		}
	}
	contains(t, ok(t, "logs", "-d", dir, "--json", "-n1"), `{"level":"info","correlationId":"c2"`)
	callWith(t, "", true, "logs", "-d", dir, "-l", "error").wants(t, exitDone, "\x1b[31mERROR")
}

func TestLogsFollowsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	dir := logged(t)
	follow := start(t, "logs", "-d", dir, "--follow", "-c", "c1")
	contains(t, follow.eventually(t, follow.out, "new"), "old")
	log, err := os.OpenFile(filepath.Join(dir, "logs", "gakushoku.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fmt.Fprintln(log, `{"level":"info","correlationId":"c2","message":"unwanted"}`)
	fmt.Fprintln(log, `{"level":"info","correlationId":"c1","message":"latest"}`)
	if out := follow.eventually(t, follow.out, "latest"); strings.Contains(out, "unwanted") {
		t.Errorf("not asked for: %s", out)
	}
	follow.stop()
	if code := <-follow.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, follow.err.String())
	}
}

func TestDemoOnATerminalHasColoursAndAMovingLine(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	if got := callWith(t, "", true, "demo"); got.code != exitDone || got.err != "" || !strings.Contains(got.out, "\x1b[32mok") || !strings.Contains(got.out, "\r") {
		t.Errorf("exit %d, no colours or no moving line on a terminal:\n%s%s", got.code, got.out, got.err)
	}
}
