package lambdas_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/infra"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/app/lambdas/projector"
	function "gakushoku/internal/app/lambdas/rebuild"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/dynamo/eventitem"
	"gakushoku/internal/store/memory"
)

// root is the repository, seen from this package.
const root = "../../.."

func sample[T any](t *testing.T, name string) T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "events", name))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// sampleStack is what the functions of a stack work on, in memory.
type sampleStack struct {
	t         *testing.T
	store     *memory.Events
	tables    *memory.Tables
	control   *memory.Control
	archiver  *eventlog.Archiver
	projector *projection.Projector
	engine    *rebuild.Engine
	serve     api.Handler
}

func newSampleStack(t *testing.T) *sampleStack {
	t.Helper()
	s := &sampleStack{t: t, store: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl()}
	s.archiver = &eventlog.Archiver{Ledger: memory.NewLedger(), Blobs: memory.NewBlobs(), Now: time.Now, NewID: observe.NewID}
	s.projector = &projection.Projector{
		Projections: canteen.Projections(), Tables: s.tables, Streams: s.store, Now: time.Now,
		Pointers: &projection.CachedPointers{Source: &projector.SelfSetup{Pointers: s.control, Tables: s.tables}, Now: time.Now},
	}
	s.engine = &rebuild.Engine{
		Projections: canteen.Projections(), Pointers: s.control, Tables: s.tables, Streams: s.store, Log: &eventlog.Reader{Ledger: s.archiver.Ledger, Blobs: s.archiver.Blobs},
		Blobs: s.archiver.Blobs, Projector: s.projector, Now: time.Now,
		Settings: rebuild.Settings{PartEvents: function.PartEvents, PartBytes: function.PartBytes, VerifyParts: 1, Workers: 1, CatchUpBudget: function.CatchUpBudget},
	}
	handler, err := httpapi.New(httpapi.Config{
		Commands: &command.Handler{Streams: s.store, Now: time.Now, NewID: observe.NewID},
		Queries: &query.Reader{
			Pointers: &projection.CachedPointers{Source: s.control, Now: time.Now}, Browser: s.tables, Streams: s.store, Projections: canteen.Projections(), Now: time.Now,
		},
		Health: &health.Checker{Probes: []health.Probe{health.EventStore(s.store)}, Now: time.Now},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.serve = lambdaevent.HTTP(handler, zerolog.Nop())
	return s
}

// answered are the samples that are requests, and what their answers have to be and to hold.
var answered = map[string]struct {
	status int
	body   string
}{
	"command-place-order.json": {201, `"total":780`},
	"command-pay-order.json":   {200, `"status":"PAID"`},
	"query-get-order.json":     {200, `"version":2`},
	"query-list-orders.json":   {200, `"orders":[`},
	"health-ready.json":        {200, `"status":"ok"`},
}

// play hands a sample to the function that it is for.
func (s *sampleStack) play(name string) {
	s.t.Helper()
	ctx := s.t.Context()
	if want, ok := answered[name]; ok {
		out, err := s.serve(ctx, sample[events.APIGatewayProxyRequest](s.t, name))
		if err != nil || out.StatusCode != want.status && out.MultiValueHeaders["Idempotency-Replayed"] == nil || !strings.Contains(out.Body, want.body) {
			s.t.Errorf("%s: %d %s %v", name, out.StatusCode, out.Body, err)
		}
		return
	}
	var out events.DynamoDBEventResponse
	var err error
	switch name {
	case "sample-events.json":
		s.put(name)
	case "projector-batch.json":
		out, err = lambdaevent.Project(s.projector.Apply, nil, zerolog.Nop())(ctx, sample[lambdaevent.StreamBatch](s.t, name))
	case "archiver-batch.json":
		out, err = lambdaevent.Archive(s.archiver.Commit, nil, zerolog.Nop())(ctx, sample[lambdaevent.StreamBatch](s.t, name))
	case "process-due.json":
		ports := wiring.Ports{Events: s.store, Tables: s.tables, Control: s.control, Pointers: s.projector.Pointers}
		handle := lambdaevent.CarryOut(zerolog.Nop(), ports.Checkout(ports.Commands(), nil))
		var carried lambdaevent.Carried
		if carried, err = handle(ctx, sample[json.RawMessage](s.t, name)); carried["checkout"].Failed > 0 {
			s.t.Errorf("%s: %+v", name, carried)
		}
	case "reproject-prepare.json":
		var run any
		run, err = function.Handle(s.engine.Do, zerolog.Nop())(ctx, sample[rebuild.Task](s.t, name))
		if r, ok := run.(rebuild.Run); !ok || r.Mode != rebuild.ModeDryRun || r.FromVersion != 1 {
			s.t.Errorf("%s: %+v", name, run)
		}
	default:
		s.t.Errorf("nobody knows what to do with the sample %s", name)
	}
	if err != nil || len(out.BatchItemFailures) > 0 {
		s.t.Errorf("%s: %v %v", name, out, err)
	}
}

// put puts the items of a sample into the event table.
func (s *sampleStack) put(name string) {
	s.t.Helper()
	for _, put := range sample[map[string][]struct {
		PutRequest struct{ Item map[string]map[string]string }
	}](s.t, name)["gakushoku-events"] {
		fields := map[string]string{}
		for attribute, value := range put.PutRequest.Item {
			fields[attribute] = value["S"] + value["N"]
		}
		e, err := eventitem.Decode(fields)
		if err == nil {
			err = s.store.Append(s.t.Context(), e.Stream, e.Version-1, []event.Event{e})
		}
		if err != nil && !errors.Is(err, eventstore.ErrConflict) { // an item put twice is there once
			s.t.Fatalf("%s: %v", name, err)
		}
	}
}

// deliver is what the stack's own mappings do: every event of the table comes to both readers.
func (s *sampleStack) deliver() {
	s.t.Helper()
	streams, _, err := s.store.Streams(s.t.Context(), eventstore.All, "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, stream := range streams {
		history, err := s.store.Load(s.t.Context(), stream, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range history {
			if _, err := s.archiver.Commit(s.t.Context(), []eventlog.Record{{Source: "live " + e.ID, Event: e}}); err != nil {
				s.t.Fatal(err)
			}
		}
		if failures := s.projector.Apply(s.t.Context(), history); len(failures) > 0 {
			s.t.Fatal(failures)
		}
	}
}

// Whoever has played every line of events/README.md, some of them twice, can rebuild that stack.
func TestTheSamplesLeaveAStackSound(t *testing.T) {
	t.Parallel()
	read, err := os.ReadFile(filepath.Join(root, "events", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSampleStack(t)
	lines := regexp.MustCompile(`(?m)^(?:sam local invoke|aws dynamodb).* (?:--event |file://)events/(\S+)`).FindAllStringSubmatch(string(read), -1)
	if len(lines) != len(answered)+5 {
		t.Errorf("the page plays %d samples, %d are known", len(lines), len(answered)+5)
	}
	for range 2 {
		for _, line := range lines {
			s.play(line[1])
		}
		s.deliver()
	}
	run, err := (&rebuild.Driver{Engine: s.engine, Workers: 1, Alone: func() bool { return true }}).Run(t.Context(), "after-the-samples", rebuild.Request{Projection: readmodel.OrdersName})
	if err != nil || run.Verify == nil || !run.Verify.Sound || run.Verify.Rows != 2 {
		t.Errorf("the rebuild after it: %v, %+v", err, run.Verify)
	}
	report, err := (&logcheck.Log{
		Ledger: s.archiver.Ledger, Blobs: s.archiver.Blobs, Store: s.store, Now: time.Now, NewID: observe.NewID, Workers: 1,
	}).VerifyEvents(t.Context(), true)
	if err != nil || !report.Sound || !report.Log.Sound {
		t.Errorf("the log after it: %v, %+v", err, report)
	}
}

// The schedule invokes the function with an event that stands in the template.
func TestTheScheduleAsksForHealth(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Schedule: rate\(1 minute\)\n +Input: '(.*)'`).FindSubmatch(raw)
	if found == nil {
		t.Fatal("template.yaml has no schedule with an input")
	}
	var request events.APIGatewayProxyRequest
	if err := json.Unmarshal(found[1], &request); err != nil {
		t.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Config{Parts: httpapi.PartHealth, Health: &health.Checker{
		Probes: []health.Probe{health.EventStore(memory.NewEvents())}, Now: time.Now,
	}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := lambdaevent.HTTP(handler, zerolog.Nop())(t.Context(), request)
	if err != nil || out.StatusCode != http.StatusOK || !strings.Contains(out.Body, `"eventStore"`) {
		t.Errorf("%d %s %v", out.StatusCode, out.Body, err)
	}
}

func TestSampleLogsReplay(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ events, orders int }{"seed.jsonl": {2, 1}, "day.jsonl": {48, 12}} {
		raw, err := os.ReadFile(filepath.Join(root, "events", name))
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]*projection.Folding{}
		count := 0
		for line := range strings.Lines(string(raw)) {
			var e event.Event
			if err := event.Decode([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if rows[e.Stream] == nil {
				if rows[e.Stream], err = projection.StartFolding(readmodel.Orders(), projection.Record{Stream: e.Stream}); err != nil {
					t.Fatal(err)
				}
			}
			if e.Version == 0 {
				e.Version = rows[e.Stream].Version + 1
			}
			if step := rows[e.Stream].Apply(&e, 1); step != projection.Applied {
				t.Errorf("%s: event %s: step %d", name, e.ID, step)
			}
			count++
		}
		if count != want.events || len(rows) != want.orders {
			t.Errorf("%s: %d events of %d orders, want %+v", name, count, len(rows), want)
		}
	}
}

// TestTheTemplateRoutesTheContract keeps an operation from being documented and served, but
// not let through by API Gateway.
func TestTheTemplateRoutesTheContract(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var routed, documented []string
	for _, found := range regexp.MustCompile(`Method: (\w+), Path: (?:"([^"]+)"|([^"{}]+))\}`).FindAllStringSubmatch(string(raw), -1) {
		routed = append(routed, found[1]+" "+found[2]+found[3])
	}
	document, err := openapi3.NewLoader().LoadFromData(infra.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(routed)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, routed); diff != "" {
		t.Error("documented (-) and routed (+) differ:\n" + diff)
	}
	if !slices.Contains(documented, http.MethodPost+" /orders") {
		t.Error("the contract has no POST /orders")
	}
}
