package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/rs/zerolog"

	domain "gakushoku/internal/canteen"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/memory"
)

// start is the moment at which every canteen of these tests opens: noon in Tokyo.
var start = time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)

// clock gives each caller a later moment.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

// canteen is the whole system over stores in memory, without anything running in the
// background: project brings the read model up to date when a test wants it.
type canteen struct {
	t         testing.TB
	events    *memory.Events
	tables    *memory.Tables
	control   *memory.Control
	projector *projection.Projector
	queries   *query.Reader
	log       *logBuffer
	config    Config
	handler   http.Handler
	contract  *contract
	cursor    string
}

func newCanteen(t testing.TB, changes ...func(*Config)) *canteen {
	t.Helper()
	clock := &clock{now: start}
	c := &canteen{t: t, events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl(), log: &logBuffer{}}
	definitions := domain.Projections()
	pointers := &projection.CachedPointers{Source: c.control, TTL: time.Hour, Now: clock.Now}
	c.projector = &projection.Projector{Projections: definitions, Pointers: pointers, Tables: c.tables, Streams: c.events, Now: clock.Now}
	c.queries = &query.Reader{Pointers: pointers, Browser: c.tables, Streams: c.events, Projections: definitions, Now: clock.Now}
	for _, name := range definitions.Names() {
		newest, _ := definitions.Newest(name)
		if err := projection.Ensure(t.Context(), c.control, c.tables, newest); err != nil {
			t.Fatal(err)
		}
	}
	c.config = Config{
		Commands: &command.Handler{Streams: c.events, Now: clock.Now, NewID: observe.NewID},
		Queries:  c.queries,
		Health: &health.Checker{Now: clock.Now, Probes: []health.Probe{
			health.EventStore(c.events), health.ReadModel(c.control, c.tables, readmodel.OrdersName),
		}},
		Logger: observe.NewLogger(c.log, zerolog.DebugLevel, "test"),
		Now:    clock.Now,
	}
	for _, change := range changes {
		change(&c.config)
	}
	var err error
	if c.handler, err = New(c.config); err != nil {
		t.Fatal(err)
	}
	if c.contract, err = loadContract(); err != nil {
		t.Fatal(err)
	}
	return c
}

// project brings the read model up to date.
func (c *canteen) project() {
	c.t.Helper()
	for {
		events, next, err := c.events.Read(c.t.Context(), c.cursor, 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(events) == 0 {
			return
		}
		if err := c.projector.Apply(c.t.Context(), events).Err(); err != nil {
			c.t.Fatal(err)
		}
		c.cursor = next
	}
}

// answer is a response, with its body read.
type answer struct {
	*http.Response
	body string
}

// field is a top-level member of the JSON body.
func (a answer) field(name string) any {
	var members map[string]any
	if json.Unmarshal([]byte(a.body), &members) != nil {
		return nil
	}
	return members[name]
}

// send makes a request, from "POST /path", headers as "name: value" and a body, and checks
// what holds for every response: its headers, and that it keeps to the contract.
func (c *canteen) send(request, body string, headers ...string) answer {
	c.t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequestWithContext(context.WithoutCancel(c.t.Context()), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			r.Header.Del(name)
		}
		r.Header.Add(name, value)
	}
	return c.do(r)
}

func (c *canteen) do(r *http.Request) answer {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	response := w.Result()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{response, string(raw)}
	c.checkAnswer(r, a)
	return a
}

func (c *canteen) checkAnswer(r *http.Request, a answer) {
	c.t.Helper()
	id := a.Header.Get("x-correlation-id")
	if !observe.ValidCorrelationID(id) || len(a.Header.Values("x-correlation-id")) != 1 {
		c.t.Errorf("%s %s: x-correlation-id %q", r.Method, r.URL, a.Header.Values("x-correlation-id"))
	}
	if sniff := a.Header.Get("X-Content-Type-Options"); sniff != "nosniff" {
		c.t.Errorf("%s %s: X-Content-Type-Options %q", r.Method, r.URL, sniff)
	}
	if a.StatusCode >= 400 && a.Header.Get("Content-Type") == "application/problem+json" {
		if a.field("correlationId") != id || a.field("status") != float64(a.StatusCode) {
			c.t.Errorf("the problem does not fit its response: %d %s", a.StatusCode, a.body)
		}
	}
	for _, route := range routes() {
		mux := http.NewServeMux()
		mux.HandleFunc(route.method+" "+route.path, func(http.ResponseWriter, *http.Request) {})
		if _, pattern := mux.Handler(r); pattern == "" || r.Method != route.method || !clean(r.URL.EscapedPath()) {
			continue
		}
		err := openapi3filter.ValidateResponse(c.t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: c.contract.route(route), Options: validation},
			Status:                 a.StatusCode, Header: a.Header, Body: io.NopCloser(strings.NewReader(a.body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		})
		if err != nil {
			c.t.Errorf("%s %s: the response does not keep to the contract: %v\n%s", r.Method, r.URL, err, a.body)
		}
	}
}

// want fails the test when the response is another than expected; code is that of a problem,
// or "".
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	got, _ := a.field("code").(string)
	if a.StatusCode != status || got != code {
		t.Fatalf("got %d %q, want %d %q: %s", a.StatusCode, got, status, code, a.body)
	}
	return a
}

// logBuffer keeps log lines.
type logBuffer struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raw.Write(p)
}

// lines are the log lines with this message.
func (b *logBuffer) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(b.raw.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("the log line is not JSON: %q", line)
		}
		if fields["message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// serveProblem is the code of the problem that a handler answers with.
func serveProblem(h http.Handler, r *http.Request) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	code, _ := (answer{w.Result(), w.Body.String()}).field("code").(string)
	return code
}
