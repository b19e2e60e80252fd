package lambdas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/lambdas/projector"
	function "gakushoku/internal/app/lambdas/rebuild"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/logs"
	"gakushoku/internal/store/memory"
)

// logLines keeps log lines. It is safe for concurrent use.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen func(line string) // may be nil
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen != nil {
		l.seen(string(line))
	}
	return l.text.Write(line)
}

// TestEveryQuestionIsAskedAboutFieldsThatAreWritten keeps a question from looking for a message
// or a field that no line has: it would find nothing, for ever, and look as if all were well.
func TestEveryQuestionIsAskedAboutFieldsThatAreWritten(t *testing.T) {
	t.Parallel()
	written := &logLines{}
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	serveGuests(ctx, t, written)
	deliver(ctx, t, written)
	delay(ctx, t, written)
	rebuildTwice(ctx, t, written)
	payByCard(ctx, t, written)
	for _, q := range logs.Questions() {
		if q.AboutOne() && q.Name != order.Rules.Kind.Name() {
			continue // the samples are of orders; the others ask for the same fields
		}
		filter, err := q.Filter(logs.Given{CorrelationID: "c-pay", ID: "s1", Slow: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		messages, fields := found(t, written.text.String(), filter)
		for _, field := range append(filter.Fields(), q.Show...) {
			if !slices.Contains(fields, field) {
				t.Errorf("%s: no line that it finds has the field %s", q.Name, field)
			}
		}
		for _, message := range regexp.MustCompile(`"([a-z]+:[a-z-]+)"`).FindAllStringSubmatch(filter.String(), -1) {
			if !slices.Contains(messages, message[1]) {
				t.Errorf("%s: no line that it finds has the message %s", q.Name, message[1])
			}
		}
	}
}

// found are the messages, and the fields, of the lines that pass a filter.
func found(t *testing.T, text string, filter logs.Filter) (messages, fields []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if found, err := (logs.Query{Filter: filter}).Of([]string{line}); err != nil || len(found) == 0 {
			continue
		}
		var parsed map[string]any
		if err := json.Unmarshal([]byte(line), &parsed); err != nil {
			t.Fatal(err)
		}
		for name, value := range parsed {
			fields = append(fields, name)
			if s, ok := value.(string); ok && name == "message" {
				messages = append(messages, s)
			}
		}
	}
	return messages, fields
}

// broken is an event store that takes nothing.
type broken struct{ *memory.Events }

func (broken) Append(context.Context, string, uint64, []event.Event) error {
	return fault.Unavailable(errors.New("the store does not answer"))
}

// request is a sample, of the order that the samples of the stream are about.
func request(t *testing.T, name string) events.APIGatewayProxyRequest {
	t.Helper()
	r := sample[events.APIGatewayProxyRequest](t, name)
	r.Path, r.Body = strings.ReplaceAll(r.Path, "/o1", "/s1"), strings.ReplaceAll(r.Body, `"o1"`, `"s1"`)
	return r
}

// serveGuests has an order placed, paid, paid again, asked for before it is in the list; and one that cannot be placed.
func serveGuests(ctx context.Context, t *testing.T, out *logLines) {
	t.Helper()
	store, tables, control := memory.NewEvents(), memory.NewTables(), memory.NewControl()
	logger := observe.NewLogger(out, zerolog.DebugLevel, "command")
	serving := func(streams command.Streams) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		handler, err := httpapi.New(httpapi.Config{
			Commands: &command.Handler{Streams: streams, Now: time.Now, NewID: observe.NewID},
			Queries: &query.Reader{
				Pointers: &projection.CachedPointers{Source: control, Now: time.Now}, Browser: tables, Streams: store, Projections: canteen.Projections(), Now: time.Now,
			},
			Health: &health.Checker{Now: time.Now}, Logger: logger,
		})
		if err != nil {
			t.Fatal(err)
		}
		return lambdaevent.HTTP(handler, logger)
	}
	invoke, failing := serving(store), serving(broken{store})
	place, pay := request(t, "command-place-order.json"), request(t, "command-pay-order.json")
	pay.MultiValueHeaders, pay.Headers = nil, map[string]string{"Content-Type": "application/json", "x-correlation-id": "c-pay", "Idempotency-Key": "pay-1"}
	again := pay
	again.Headers = map[string]string{"Content-Type": "application/json", "x-correlation-id": "c-pay", "Idempotency-Key": "pay-2"}
	get := request(t, "query-get-order.json")
	get.MultiValueHeaders, get.Headers = nil, map[string]string{"x-correlation-id": "c-pay"}
	for _, step := range []struct {
		do      func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
		request events.APIGatewayProxyRequest
		want    int
	}{{failing, place, 503}, {invoke, place, 201}, {invoke, pay, 200}, {invoke, again, 409}, {invoke, get, 404}} {
		if answer, err := step.do(ctx, step.request); err != nil || answer.StatusCode != step.want {
			t.Fatalf("%s %s: %d %s, %v", step.request.HTTPMethod, step.request.Path, answer.StatusCode, answer.Body, err)
		}
	}
}

// payByCard has a payment captured, and a call that the provider refuses.
func payByCard(ctx context.Context, t *testing.T, out *logLines) {
	t.Helper()
	ctx = observe.WithCorrelationID(observe.WithLogger(ctx, observe.NewLogger(out, zerolog.DebugLevel, "process")), "c-pay")
	provider := payment.Observed(&ledger.Ledger{Book: new(ledger.Memory)})
	if _, err := provider.Capture(ctx, "p1", 780); err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Void(ctx, "p1"); !payment.Refused(err, payment.CodeAlreadyCaptured) {
		t.Fatalf("a captured payment was voided: %v", err)
	}
}

// deliver has a batch with a gap come to the projector, one that fails, and one to the archiver.
func deliver(ctx context.Context, t *testing.T, out *logLines) {
	t.Helper()
	store, tables, control := memory.NewEvents(), memory.NewTables(), memory.NewControl()
	logger := observe.NewLogger(out, zerolog.DebugLevel, "projector")
	batch := sample[lambdaevent.StreamBatch](t, "projector-batch.json")
	projector := &projection.Projector{
		Projections: canteen.Projections(), Tables: tables, Streams: store, Now: time.Now,
		Pointers: &projection.CachedPointers{Source: &projector.SelfSetup{Pointers: control, Tables: tables}, Now: time.Now},
	}
	keep := func(ctx context.Context, delivered []event.Event) projection.Failures {
		if err := store.Append(ctx, delivered[0].Stream, 0, delivered); err != nil {
			t.Error(err)
		}
		return projector.Apply(ctx, delivered[1:]) // the first is late
	}
	fail := func(_ context.Context, delivered []event.Event) projection.Failures {
		return projection.Failures{delivered[0].Stream: fault.Unavailable(errors.New("the table does not answer"))}
	}
	for _, apply := range []func(context.Context, []event.Event) projection.Failures{keep, fail} {
		if _, err := lambdaevent.Project(apply, nil, logger)(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	archiver := &eventlog.Archiver{Ledger: memory.NewLedger(), Blobs: memory.NewBlobs(), Now: time.Now, NewID: observe.NewID}
	if _, err := lambdaevent.Archive(archiver.Commit, nil, logger)(ctx, sample[lambdaevent.StreamBatch](t, "archiver-batch.json")); err != nil {
		t.Fatal(err)
	}
}

type noCheckpoints struct{ projection.Checkpoints }

func (noCheckpoints) Checkpoint(context.Context, string) (projection.Checkpoint, error) {
	return projection.Checkpoint{}, fault.Unavailable(errors.New("the disk does not answer"))
}

// delay has the embedded projector wait for its store.
func delay(ctx context.Context, t *testing.T, out *logLines) {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out.seen = func(line string) {
		if strings.Contains(line, "projection:delayed") {
			stop()
		}
	}
	follower := &projection.Follower{Name: "projector", Checkpoints: noCheckpoints{}, Appended: func() <-chan struct{} { return nil }}
	if err := follower.Run(observe.WithLogger(ctx, observe.NewLogger(out, zerolog.DebugLevel, "serve"))); err != nil {
		t.Fatal(err)
	}
	out.seen = nil
}

// rebuildTwice has a read model rebuilt, then one with an event that cannot be applied, in a function
// that is cold.
func rebuildTwice(ctx context.Context, t *testing.T, out *logLines) {
	t.Helper()
	folder, err := embedded.OpenFolder(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	run := function.Handle(func(ctx context.Context, _ rebuild.Task) (any, error) {
		return folder.Rebuild(ctx, rebuild.Request{Projection: "orders"}, operator.RebuildOptions{})
	}, observe.NewLogger(out, zerolog.DebugLevel, "reproject"))
	for version := range uint64(2) { // the second time it is a poison event
		e, err := event.New(order.Placed{OrderID: "o1", Total: 780})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.OccurredAt = observe.NewID(), event.InstantOf(time.Now())
		if err := folder.Events.Append(ctx, order.Stream("o1"), version, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
		if _, err := run(ctx, rebuild.Task{}); (err != nil) != (version == 1) {
			t.Fatalf("run %d: %v", version+1, err)
		}
	}
}
