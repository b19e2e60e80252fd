package lambdas

import (
	"encoding/json"
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
	"gakushoku/internal/command"
	"gakushoku/internal/event"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/health"
	"gakushoku/internal/httpapi"
	"gakushoku/internal/lambdaevent"
	"gakushoku/internal/memory"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
	"gakushoku/internal/query"
	"gakushoku/internal/reproject"
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

func TestSampleEventsAreAnswered(t *testing.T) {
	t.Parallel()
	store, tables, control := memory.NewEvents(), memory.NewTables(), memory.NewControl()
	pointers := &projection.CachedPointers{Source: control, Now: time.Now}
	projector := &projection.Projector{
		Definitions: projection.All(), Tables: tables, Streams: store, Now: time.Now,
		Pointers: &projection.CachedPointers{Source: &selfSetup{Pointers: control, tables: tables}, Now: time.Now},
	}
	handler, err := httpapi.New(httpapi.Config{
		Commands: &command.Handler{Streams: store, Now: time.Now, NewID: observe.NewID},
		Queries:  &query.Service{Pointers: pointers, Browser: tables, Streams: store, Definitions: projection.All(), Now: time.Now},
		Health:   &health.Checker{Probes: []health.Probe{health.EventStore(store)}, Now: time.Now},
	})
	if err != nil {
		t.Fatal(err)
	}
	invoke := lambdaevent.HTTP(handler, zerolog.Nop())
	for _, step := range []struct {
		name   string
		status int
		body   string
	}{
		{"command-place-order.json", 201, `"total":780`},
		{"command-pay-order.json", 200, `"status":"PAID"`},
		{"query-get-order.json", 200, `"version":2`},
		{"query-list-orders.json", 200, `"orders":[`},
		{"health-ready.json", 200, `"status":"ok"`},
	} {
		out, err := invoke(t.Context(), sample[events.APIGatewayProxyRequest](t, step.name))
		if err != nil || out.StatusCode != step.status || !strings.Contains(out.Body, step.body) {
			t.Errorf("%s: %d %s %v", step.name, out.StatusCode, out.Body, err)
		}
	}
	out, err := lambdaevent.Project(projector.Apply, nil, zerolog.Nop())(t.Context(), sample[lambdaevent.StreamBatch](t, "projector-batch.json"))
	if err != nil || len(out.BatchItemFailures) > 0 {
		t.Errorf("projector-batch.json: %v %v", out, err)
	}
	if r, err := tables.Record(t.Context(), projection.Table{Projection: "orders", Version: 1}, "order-s1"); err != nil || r.Version != 2 || r.Parked != nil {
		t.Errorf("the projector's row: %+v %v", r, err)
	}
	archiver := &eventlog.Archiver{Ledger: memory.NewLedger(), Blobs: memory.NewBlobs(), Now: time.Now, NewID: observe.NewID}
	out, err = lambdaevent.Archive(archiver.Commit, nil, zerolog.Nop())(t.Context(), sample[lambdaevent.StreamBatch](t, "archiver-batch.json"))
	if head, headErr := archiver.Ledger.Head(t.Context()); err != nil || len(out.BatchItemFailures) > 0 || headErr != nil || head.Number != 2 {
		t.Errorf("archiver-batch.json: %v %v, the head is %+v %v", out, err, head, headErr)
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

func TestTheSampleOfARebuildIsPrepared(t *testing.T) {
	t.Parallel()
	tables, control := memory.NewTables(), memory.NewControl()
	if err := projection.Ensure(t.Context(), control, tables, projection.Orders()); err != nil {
		t.Fatal(err)
	}
	engine := &reproject.Engine{Definitions: projection.All(), Pointers: control, Tables: tables, Now: time.Now}
	out, err := lambdaevent.Reproject(engine.Do, zerolog.Nop())(t.Context(), sample[reproject.Task](t, "reproject-prepare.json"))
	if run, ok := out.(reproject.Run); err != nil || !ok || run.Mode != reproject.ModeDryRun || run.FromVersion != 1 {
		t.Errorf("%+v %v", out, err)
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
				if rows[e.Stream], err = projection.StartFolding(projection.Orders(), projection.Record{Stream: e.Stream}); err != nil {
					t.Fatal(err)
				}
			}
			if e.Version == 0 {
				e.Version = rows[e.Stream].Version() + 1
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
