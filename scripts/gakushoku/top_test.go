package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/top"

	"github.com/google/go-cmp/cmp"
)

func TestTopShowsWhatARunningServerDoes(t *testing.T) {
	t.Parallel()
	dir, url, ops := openedWithOps(t)
	post(t, "place", url+"/orders", `{"orderId":"o1","total":780}`)
	got := ok(t, "top", "-d", dir, "--url", ops, "--once", "--interval", "50ms")
	contains(t, got, ops+"  ", "health      OK\n", "POST /orders  201", "PlaceOrder  OK", "errors      none\n", "/s appended")
	var page topPage
	if err := json.Unmarshal([]byte(ok(t, "top", "-d", dir, "--url", ops, "--once", "--interval", "50ms", "--json")), &page); err != nil {
		t.Fatal(err)
	}
	if page.Server != ops || page.Health.Status != health.OK || len(page.Commands) != 1 || page.Seconds <= 0 {
		t.Errorf("%+v", page)
	}
}

func TestTopReportsMissingServer(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	none := filepath.Join(t.TempDir(), "none")
	call(t, "top", "-d", none, "--once", "--url", nobody.URL).wants(t, exitFailed, "/metrics answers 404", "gakushoku serve")
	nobody.Close()
	call(t, "top", "-d", none, "--once", "--url", nobody.URL).wants(t, exitFailed, nobody.URL+" does not answer: ")
	call(t, "top", "-d", none, "--url", "ftp://x").wants(t, exitUsage, "is not the address of a server")
	call(t, "top", "-d", none, "--interval", "1ms").wants(t, exitUsage, "--interval")
}

// With the data folder at hand, the address of its server is not needed.
func TestTopFindsTheServerOfItsFolder(t *testing.T) {
	t.Parallel()
	dir, _, ops := openedWithOps(t)
	contains(t, ok(t, "top", "-d", dir, "--once", "--interval", "50ms"), ops+"  ")
}

// The metrics of this server go elsewhere, as the environment says.
func TestTopReportsMetricsElsewhere(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	dir, _, ops := openedWithOps(t)
	got := call(t, "top", "-d", dir, "--url", ops, "--once")
	got.wants(t, exitFailed, ops+" answers, but has no /metrics", "OTEL_METRICS_EXPORTER=otlp,prometheus", "/health")
	if strings.Contains(got.err, "is it a server") {
		t.Errorf("it is one: %s", got.err)
	}
}

// metricsExporter is where a page shows how to send metrics.
var metricsExporter = regexp.MustCompile("OTEL_METRICS_EXPORTER=([a-z,]+)")

// A server that is started as a page shows works with top, with which other pages begin.
func TestEveryCombinationThatIsShownLeavesTopSomethingToRead(t *testing.T) {
	t.Parallel()
	texts := map[string]string{"README.md": read(t, "../../README.md"), "serve --help": ok(t, "serve", "--help"), "runbooks/README.md": read(t, "../../infra/runbooks/README.md")}
	for name, text := range texts {
		shown := metricsExporter.FindAllStringSubmatch(text, -1)
		if shown == nil {
			t.Errorf("%s does not say how metrics are sent elsewhere", name)
		}
		for _, match := range shown {
			if !slices.Contains(strings.Split(match[1], ","), "prometheus") {
				t.Errorf("%s: with %s top has nothing to read", name, match[0])
			}
		}
	}
}

// A server that is not there yet, answers, goes away, and answers again.
func TestTopGoesOnAskingUntilItIsStopped(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health":
			fmt.Fprint(w, `{"status":"failing","parts":[{"name":"store","status":"ok"},{"name":"disk","status":"failing","detail":"full"}]}`)
		case asked.Add(1)%4 == 1:
			w.WriteHeader(http.StatusBadGateway)
		default:
			fmt.Fprintf(w, "gakushoku_events_appended_total %d\n", asked.Load())
		}
	}))
	defer server.Close()
	for _, terminal := range []bool{false, true} {
		asked.Store(0)
		ctx, stop := context.WithCancel(t.Context())
		r := &running{out: &output{terminal: terminal}, err: &output{}, stop: stop, ended: make(chan int, 1)}
		go func() {
			args := []string{"top", "-d", filepath.Join(t.TempDir(), "none"), "--url", server.URL, "--interval", "50ms"}
			r.ended <- run(ctx, args, strings.NewReader(""), r.out, r.err)
		}()
		for pages := 0; pages < 2; {
			pages = strings.Count(r.eventually(t, r.out, "appended"), "appended")
		}
		stop()
		if code := <-r.ended; code != exitDone {
			t.Errorf("exit %d: %s", code, r.err.String())
		}
		contains(t, r.out.String(), "health      FAILING", "  disk           failing  full")
		contains(t, r.out.String()+r.err.String(), "does not answer: its /metrics answers 502", "Trying again every 50ms")
		if drawn := strings.HasPrefix(r.out.String(), "\x1b[?7l\x1b[H\x1b[2J"); drawn != terminal || !terminal && strings.Contains(r.out.String(), "\x1b") {
			t.Errorf("terminal %v: %q", terminal, r.out.String())
		}
	}
}

func TestAPageIsShownAsItIs(t *testing.T) {
	t.Parallel()
	ms := func(v float64) *float64 { return &v }
	quantiles := top.Quantiles{P50Ms: ms(1.25), P95Ms: ms(40)}
	old := top.Quantiles{P50Ms: ms(999.9), P95Ms: ms(300_000)} // of events that were imported
	var out strings.Builder
	showPage(&out, &topPage{
		Server: "http://canteen", Runs: []rebuild.UnderWay{{
			Run: rebuild.Run{ID: "r1", Projection: "orders", ToVersion: 2, Step: "Plan", Plan: &rebuild.Planned{Events: 900, Parts: 16}}, Stage: "Replay", AtWork: true,
		}},
		Page: top.Page{
			At: time.Date(2026, 1, 24, 12, 30, 1, 0, time.UTC), Seconds: 1.0004,
			Health:   health.Report{Status: health.Failing, Parts: []health.Part{{Name: "eventStore", Status: health.OK}, {Name: "projectionLag", Status: health.Failing, Detail: "late"}}},
			Requests: []top.Rate{{Name: "GET /orders", Result: "200", PerSecond: 12.34, Quantiles: quantiles}, {Name: "GET /orders", Result: "503", ErrorClass: "infra"}},
			Errors:   map[string]float64{"infra": 1, "domain": 2}, AppendedPerSecond: 3, ConflictsPerSecond: 0.5, RepeatsPerSecond: 1, Delivered: map[string]float64{"applied": 3},
			Projections: []top.Projection{{Name: "orders", Lag: quantiles, Parked: ms(2)}, {Name: "meals"}, {Name: "stock", Lag: old}},
			Log:         top.Log{Head: ms(1234567), Lag: quantiles}, PointerHits: ms(0.995),
			Machine:  top.Machine{CPU: ms(0.25), Disk: ms(0.5)},
			Rebuilds: []top.Rebuild{{Projection: "orders", Planned: 900, PerSecond: map[string]float64{"Replay": 50}}},
		},
	})
	const want = `http://canteen  12:30:01  over 1s
health      FAILING
  projectionLag  failing  late
  eventStore     ok

REQUEST      STATUS     PER SECOND  P50     P95
GET /orders  200        12.3        1.2 ms  40.0 ms
GET /orders  503 infra  0.0         -       -

COMMAND  RESULT  PER SECOND  P50  P95
none

errors      domain 2.0/s, infra 1.0/s
events      3.0/s appended, 0.5/s conflicts, 1.0/s repeated commands
projecting  applied 3.0/s, in all table versions
  orders    lag p50 1.2 ms, p95 40.0 ms, 0.0/s healed, 2 parked
  meals     lag - (nothing came), 0.0/s healed, ? parked
  stock     lag p50 999.9 ms, p95 5m0s, 0.0/s healed, ? parked
log         head 1234567, lag p50 1.2 ms, p95 40.0 ms
pointer     99.5 % of reads from memory
machine     cpu 25.0 %, memory ?, disk 50.0 %
rebuild     orders: Replay 50.0/s, of 900 events
rebuild     run r1 builds orders-v2: in Replay, 900 events to replay in 16 parts
`
	if got := out.String(); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestAPageIsNoLongerThanItsWindow(t *testing.T) {
	t.Parallel()
	page := topPage{Server: "http://canteen", Page: top.Page{
		Health:   health.Report{Status: health.Failing, Parts: []health.Part{{Name: "disk", Status: health.Failing, Detail: "full"}}},
		Requests: []top.Rate{{Name: "GET /orders", Result: "200", PerSecond: 1}, {Name: "GET /sales", Result: "200"}},
		Commands: []top.Rate{{Name: "PlaceOrder", Result: "OK"}},
	}}
	for _, c := range []struct {
		rows           int
		shown, leftOut []string
	}{
		{100, []string{"FAILING", "GET /orders", "GET /sales", "PlaceOrder", "machine"}, nil},
		{16, []string{"FAILING", "GET /orders", "machine"}, []string{"GET /sales", "PlaceOrder"}},
		{4, []string{"FAILING", "disk"}, []string{"REQUEST", "machine"}},
	} {
		var text bytes.Buffer
		showPage(&text, &page)
		fit(&text, &page, c.rows)
		if n := strings.Count(text.String(), "\n"); n >= c.rows {
			t.Errorf("%d lines in %d rows, and the cursor below", n, c.rows)
		}
		contains(t, text.String(), c.shown...)
		for _, word := range c.leftOut {
			if strings.Contains(text.String(), word) {
				t.Errorf("%d rows: %q is there: %s", c.rows, word, text.String())
			}
		}
	}
}

// The first command of many runbooks: it is not to fail because the folder has lost its events.
func TestTopWorksWithUnusableFolder(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	if err := os.Remove(filepath.Join(dir, "events.db")); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			fmt.Fprint(w, `{"status":"failing","parts":[{"name":"eventStore","status":"failing","detail":"gone"}]}`)
		}
	}))
	defer server.Close()
	contains(t, ok(t, "top", "-d", dir, "--url", server.URL, "--once", "--interval", "50ms"), "eventStore     failing  gone")
}
