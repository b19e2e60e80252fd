package lambdas_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/archiver"
	"gakushoku/internal/app/lambdas/command"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/store/dynamo"
)

// aCloud answers every call as if all its tables and buckets were empty and took everything. It
// is busy when it is first asked for something that busy names.
type aCloud struct {
	mu    sync.Mutex
	busy  string
	calls []string
}

// ServeHTTP is http.Handler.
func (c *aCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body) //nolint:errcheck // nobody reads it
	_, call, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !ok {
		call = r.Method + " object"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
	w.Header().Set("X-Amzn-RequestId", "request-7")
	switch {
	case call == c.busy:
		c.busy = ""
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}`) //nolint:errcheck // the test would notice
	case call == "GET object":
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `<Error><Code>NoSuchKey</Code></Error>`) //nolint:errcheck // the test would notice
	case call == "PUT object":
		w.Header().Set("ETag", `"1"`)
	case ok:
		io.WriteString(w, `{}`) //nolint:errcheck // the test would notice
	}
}

// cloudy is a system in a cloud of its own, and what it has recorded.
func cloudy(t *testing.T, c *aCloud, environment func(string) string) (*lambdas.System, *tracetest.InMemoryExporter) {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	spans := tracetest.NewInMemoryExporter()
	sent, err := telemetry.Open(t.Context(), telemetry.Options{
		Function: "test", Getenv: environment, Logger: zerolog.Nop(),
		More: telemetry.SpanExporters{"memory": func(context.Context) (sdktrace.SpanExporter, error) { return spans, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sent.Close(context.Background()) }) //nolint:errcheck // it is memory
	cloud := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}
	return lambdas.New(cloud, lambdas.Config{EventTable: "t-events", ControlTable: "t-control", ReadModelPrefix: "t_view_", LogBucket: "t-log", Callers: lambdas.Callers{Everybody: true}}, zerolog.Nop(), sent), spans
}

// drawn is each span with what it is about and what is within it, in the order of their beginnings.
type drawn struct {
	Name   string
	Kind   trace.SpanKind
	Noted  map[string]any
	Within []drawn
}

func draw(spans tracetest.SpanStubs, parent trace.SpanID) []drawn {
	var all []drawn
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, s := range spans {
		if s.Parent.SpanID() != parent {
			continue
		}
		d := drawn{Name: s.Name, Kind: s.SpanKind, Noted: map[string]any{}, Within: draw(spans, s.SpanContext.SpanID())}
		for _, a := range s.Attributes {
			switch a.Key {
			case "aws.dynamodb.table_names", "aws.s3.bucket", "http.request.resend_count", "gakushoku.throttled_attempts", "http.route":
				d.Noted[string(a.Key)] = a.Value.AsInterface()
			}
		}
		all = append(all, d)
	}
	return all
}

func table(name string) map[string]any {
	return map[string]any{"aws.dynamodb.table_names": []string{name}}
}

func call(name string, noted map[string]any) drawn {
	return drawn{Name: name, Kind: trace.SpanKindClient, Noted: noted}
}

func TestTheTraceOfACommandHasItsCallsOfDynamoDB(t *testing.T) {
	t.Parallel()
	cloud := &aCloud{busy: "PutItem"}
	s, spans := cloudy(t, cloud, lambdas.Environment("OTEL_TRACES_EXPORTER", "memory"))
	handler := built(t, s, command.Build)
	r := sample[events.APIGatewayProxyRequest](t, "command-place-order.json")
	r.MultiValueHeaders["traceparent"] = []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	if out, err := handler(t.Context(), r); err != nil || out.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", out.StatusCode, out.Body, err)
	}
	recorded := spans.GetSpans()
	for _, span := range recorded {
		if id := span.SpanContext.TraceID().String(); id != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s is in trace %s", span.Name, id)
		}
	}
	caller, err := trace.SpanIDFromHex("00f067aa0ba902b7")
	if err != nil {
		t.Fatal(err)
	}
	put := table("t-events")
	put["http.request.resend_count"], put["gakushoku.throttled_attempts"] = int64(1), int64(1)
	want := []drawn{{
		Name: "POST /orders", Kind: trace.SpanKindServer, Noted: map[string]any{"http.route": "/orders"}, Within: []drawn{{
			Name: "PlaceOrder", Kind: trace.SpanKindInternal, Noted: map[string]any{}, Within: []drawn{
				{Name: "load", Kind: trace.SpanKindInternal, Noted: map[string]any{}, Within: []drawn{call("DynamoDB.Query", table("t-events"))}},
				{Name: "append", Kind: trace.SpanKindInternal, Noted: map[string]any{}, Within: []drawn{call("DynamoDB.PutItem", put)}},
			},
		}},
	}}
	if diff := cmp.Diff(want, draw(recorded, caller)); diff != "" {
		t.Error(diff)
	}
	for _, ordered := range []string{"カツカレー", "緑茶", "660"} {
		for _, span := range recorded {
			if !strings.Contains(r.Body, ordered) || strings.Contains(fmt.Sprint(span.Attributes, span.Events, span.Status), ordered) {
				t.Errorf("what was ordered (%s) is in span %s: %v", ordered, span.Name, span.Attributes)
			}
		}
	}
}

func TestTheArchiversSpanHasItsCallsAndWhatCausedThem(t *testing.T) {
	t.Parallel()
	s, spans := cloudy(t, &aCloud{}, lambdas.Environment("OTEL_TRACES_EXPORTER", "memory"))
	handler := built(t, s, archiver.Build)
	if out, err := handler(t.Context(), sample[lambdaevent.StreamBatch](t, "archiver-batch.json")); err != nil || len(out.BatchItemFailures) > 0 {
		t.Fatalf("%v %v", out, err)
	}
	object := map[string]any{"aws.s3.bucket": "t-log"}
	want := []drawn{{Name: "archive segment", Kind: trace.SpanKindConsumer, Noted: map[string]any{}, Within: []drawn{
		call("DynamoDB.GetItem", table("t-control")), // is it in the log already?
		call("S3.PutObject", object),
		call("DynamoDB.GetItem", table("t-control")), // the head
		call("S3.GetObject", object),                 // a manifest behind it
		call("DynamoDB.TransactWriteItems", table("t-control")),
		call("S3.PutObject", object),
	}}}
	if diff := cmp.Diff(want, draw(spans.GetSpans(), trace.SpanID{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhoDoesNotTraceHasNoMiddlewareForIt(t *testing.T) {
	t.Parallel()
	for exporter, want := range map[string]int{"none": 1, "memory": 2} {
		cloud := &aCloud{}
		s, spans := cloudy(t, cloud, lambdas.Environment("OTEL_TRACES_EXPORTER", exporter))
		if got := len(lambdas.Options(s, dynamo.Bounded, dynamo.Traced)); got != want {
			t.Errorf("%s: a client has %d options, want %d", exporter, got, want)
		}
		handler := built(t, s, command.Build)
		if out, err := handler(t.Context(), sample[events.APIGatewayProxyRequest](t, "command-place-order.json")); err != nil || out.StatusCode != http.StatusCreated || len(cloud.calls) != 2 {
			t.Fatalf("%s: %d %v, calls %v", exporter, out.StatusCode, err, cloud.calls)
		}
		if n := len(spans.GetSpans()); (n > 0) != (want > 1) {
			t.Errorf("%s: %d spans", exporter, n)
		}
	}
}
