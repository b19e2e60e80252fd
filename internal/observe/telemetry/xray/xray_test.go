package xray_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe/telemetry/xray"
)

// daemon is a listener as X-Ray's daemon is one.
type daemon struct{ conn net.PacketConn }

func listen(t *testing.T) daemon {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return daemon{conn}
}

// next is the next document, checked against what X-Ray publishes of its format.
func (d daemon) next(t *testing.T) map[string]any {
	t.Helper()
	if err := d.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	n, _, err := d.conn.ReadFrom(buffer)
	if err != nil {
		t.Fatal(err)
	}
	header, body, found := bytes.Cut(buffer[:n], []byte("\n"))
	if !found || string(header) != `{"format":"json","version":1}` {
		t.Fatalf("the header is %q", header)
	}
	var document map[string]any
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	check(t, document)
	return document
}

var formats = map[string]*regexp.Regexp{
	"name":      regexp.MustCompile(`^[\p{L}\p{N} _.:/%&#=+\\\-@]{1,200}$`),
	"id":        regexp.MustCompile(`^[0-9a-f]{16}$`),
	"parent_id": regexp.MustCompile(`^[0-9a-f]{16}$`),
	"trace_id":  regexp.MustCompile(`^1-[0-9a-f]{8}-[0-9a-f]{24}$`),
	"type":      regexp.MustCompile(`^subsegment$`),
	"namespace": regexp.MustCompile(`^(remote|aws)$`),
}

// check holds a document against the published format of segment documents.
func check(t *testing.T, document map[string]any) {
	t.Helper()
	for _, required := range []string{"name", "id", "trace_id", "start_time", "end_time"} {
		if _, ok := document[required]; !ok {
			t.Errorf("%s is missing: %v", required, document)
		}
	}
	for field, value := range document {
		switch field {
		case "start_time", "end_time":
			if moment, ok := value.(float64); !ok || moment < 1e9 || moment > 1e10 {
				t.Errorf("%s is %v, not seconds since 1970", field, value)
			}
		case "error", "fault", "throttle":
			if _, ok := value.(bool); !ok {
				t.Errorf("%s is %v", field, value)
			}
		case "annotations":
			for key, v := range value.(map[string]any) {
				if !regexp.MustCompile(`^[A-Za-z0-9_]{1,500}$`).MatchString(key) {
					t.Errorf("the annotation is called %q", key)
				}
				switch v.(type) {
				case string, float64, bool:
				default:
					t.Errorf("annotation %s is a %T", key, v)
				}
			}
		case "aws":
			if document["namespace"] != "aws" {
				t.Errorf("the block of a call of AWS, and the namespace is %v", document["namespace"])
			}
			for key, v := range value.(map[string]any) {
				switch v := v.(type) {
				case string:
					if v == "" || len(v) > 250 {
						t.Errorf("aws.%s is %q", key, v)
					}
				case float64, []any:
				default:
					t.Errorf("aws.%s is a %T", key, v)
				}
			}
		case "http", "cause", "links":
		default:
			format, known := formats[field]
			if text, _ := value.(string); !known || !format.MatchString(text) {
				t.Errorf("%s is %v", field, value)
			}
		}
	}
	if document["type"] == "subsegment" && document["parent_id"] == nil {
		t.Errorf("a subsegment without parent: %v", document)
	}
}

const (
	caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	root   = "1-4bf92f35-77b34da6a3ce929d0e0e4736"
)

func tracing(t *testing.T, o xray.Options) (trace.Tracer, daemon) {
	t.Helper()
	d := listen(t)
	o.Address = d.conn.LocalAddr().String()
	exporter, err := xray.New(o)
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "gakushoku"))))
	t.Cleanup(func() { provider.Shutdown(context.Background()) }) //nolint:errcheck // nothing waits
	return provider.Tracer("test"), d
}

func from(t *testing.T) context.Context {
	t.Helper()
	id, err := trace.TraceIDFromHex(caller)
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled}))
}

func TestARequestIsASegmentAndItsPartsAreSubsegments(t *testing.T) {
	t.Parallel()
	tracer, d := tracing(t, xray.Options{})
	start := time.Date(2026, 1, 24, 3, 0, 0, 123_456_000, time.UTC)
	ctx, request := tracer.Start(from(t), "POST /orders/{id}", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	_, call := tracer.Start(ctx, "append", trace.WithSpanKind(trace.SpanKindClient))
	call.RecordError(errors.New("no answer"))
	call.SetStatus(codes.Error, "infra")
	call.End()
	request.SetAttributes(attribute.String("http.request.method", "POST"), attribute.String("url.path", "/orders/o1"), attribute.Int("http.response.status_code", 429),
		attribute.String("correlation.id", "c1"), attribute.Bool("x", true), attribute.StringSlice("many", []string{"a", "b"}))
	request.End(trace.WithTimestamp(start.Add(1500 * time.Millisecond)))

	part := d.next(t)
	id := request.SpanContext().SpanID().String()
	cause := part["cause"].(map[string]any)["exceptions"].([]any)[0].(map[string]any)
	if part["type"] != "subsegment" || part["parent_id"] != id || part["name"] != "append" || part["namespace"] != "remote" || part["fault"] != true || cause["message"] != "no answer" {
		t.Errorf("the part: %v", part)
	}
	whole := d.next(t)
	want := map[string]any{
		"name": "gakushoku", "id": id, "trace_id": root, "parent_id": "0100000000000000", "start_time": 1769223600.123456, "end_time": 1769223601.623456, "error": true, "throttle": true,
		"http":        map[string]any{"request": map[string]any{"method": "POST", "url": "/orders/o1"}, "response": map[string]any{"status": 429.0}},
		"annotations": map[string]any{"operation": "POST /orders/{id}", "span_kind": "server", "correlation_id": "c1", "x": true, "many": `["a","b"]`},
	}
	if diff := cmp.Diff(want, whole); diff != "" {
		t.Error(diff)
	}
}

func TestOnLambdaTheInvocationIsTheSegment(t *testing.T) {
	t.Parallel()
	invocation := "Root=" + root + ";Parent=0100000000000000;Sampled=1"
	tracer, d := tracing(t, xray.Options{OnLambda: true, Invocation: func() string { return invocation }})
	_, span := tracer.Start(from(t), "GET /orders/{id}")
	span.End()
	if got := d.next(t); got["type"] != "subsegment" || got["name"] != "GET /orders/id" {
		t.Errorf("in the invocation's trace: %v", got)
	}
	invocation = "Root=1-00000000-000000000000000000000001;Parent=0100000000000000;Sampled=1"
	_, span = tracer.Start(from(t), "GET /orders")
	span.End()
	if got := d.next(t); got["type"] != nil || got["name"] != "gakushoku" {
		t.Errorf("in a trace of the caller's: %v", got)
	}
	invocation = "Root=" + root + ";Parent=0100000000000000;Sampled=0"
	unsampled := trace.SpanContextFromContext(from(t)).WithTraceFlags(0).WithRemote(true)
	_, span = tracer.Start(trace.ContextWithSpanContext(t.Context(), unsampled), "GET /orders")
	span.End()
	if got := d.next(t); got["type"] != nil || got["name"] != "gakushoku" {
		t.Errorf("in an invocation that X-Ray has no segment of: %v", got)
	}
}

func TestACallOfAWSIsTheSubsegmentOfItsService(t *testing.T) {
	t.Parallel()
	tracer, d := tracing(t, xray.Options{})
	ctx, request := tracer.Start(from(t), "POST /orders", trace.WithSpanKind(trace.SpanKindServer))
	call := func(name string, failure string, all ...attribute.KeyValue) map[string]any {
		_, span := tracer.Start(ctx, strings.ReplaceAll(name, "/", "."), trace.WithSpanKind(trace.SpanKindClient))
		span.SetAttributes(append(all, attribute.String("rpc.system.name", "aws-api"), attribute.String("rpc.method", name), attribute.String("cloud.region", "eu-west-1"))...)
		if failure != "" {
			span.SetStatus(codes.Error, failure)
			span.SetAttributes(attribute.String("error.type", failure))
		}
		span.End()
		document := d.next(t)
		if document["type"] != "subsegment" || document["namespace"] != "aws" || document["parent_id"] != request.SpanContext().SpanID().String() {
			t.Errorf("%s: %v", name, document)
		}
		for _, varies := range []string{"id", "trace_id", "parent_id", "type", "namespace", "start_time", "end_time"} {
			delete(document, varies)
		}
		return document
	}
	tables := func(names ...string) attribute.KeyValue {
		return attribute.StringSlice("aws.dynamodb.table_names", names)
	}
	status := func(n int) attribute.KeyValue { return attribute.Int("http.response.status_code", n) }
	answered := func(n float64) map[string]any { return map[string]any{"response": map[string]any{"status": n}} }
	for name, test := range map[string]struct{ got, want map[string]any }{
		"well": {
			call("DynamoDB/PutItem", "", attribute.String("db.system.name", "aws.dynamodb"), tables("canteen-events"), attribute.String("aws.request_id", "request-7"), status(200)),
			map[string]any{
				"name": "DynamoDB", "http": answered(200), "annotations": map[string]any{"span_kind": "client"},
				"aws": map[string]any{"operation": "PutItem", "region": "eu-west-1", "table_name": "canteen-events", "request_id": "request-7"},
			},
		},
		"an object": {
			call("S3/GetObject", "", attribute.String("aws.s3.bucket", "canteen-log"), attribute.String("aws.s3.key", "manifests/1.json"), status(200)),
			map[string]any{
				"name": "S3", "http": answered(200), "annotations": map[string]any{"span_kind": "client"},
				"aws": map[string]any{"operation": "GetObject", "region": "eu-west-1", "bucket_name": "canteen-log", "key": "manifests/1.json"},
			},
		},
		"refused": {
			call("DynamoDB/TransactWriteItems", "", tables("rows", "totals"), status(400), attribute.String("rpc.response.status_code", "TransactionCanceledException")),
			map[string]any{
				"name": "DynamoDB", "http": answered(400), "error": true, "annotations": map[string]any{"span_kind": "client", "rpc_response_status_code": "TransactionCanceledException"},
				"aws": map[string]any{"operation": "TransactWriteItems", "region": "eu-west-1", "table_names": []any{"rows", "totals"}},
			},
		},
		"throttled": {
			call("DynamoDB/Query", "ThrottlingException", status(400), attribute.Int("http.request.resend_count", 3), attribute.Int("gakushoku.throttled_attempts", 4)),
			map[string]any{
				"name": "DynamoDB", "http": answered(400), "error": true, "throttle": true,
				"annotations": map[string]any{"span_kind": "client", "error_type": "ThrottlingException", "gakushoku_throttled_attempts": 4.0},
				"aws":         map[string]any{"operation": "Query", "region": "eu-west-1", "retries": 3.0},
			},
		},
		"throttled by a bucket": {
			call("S3/PutObject", "SlowDown", status(503), attribute.Int("gakushoku.throttled_attempts", 1)),
			map[string]any{
				"name": "S3", "http": answered(503), "error": true, "throttle": true,
				"annotations": map[string]any{"span_kind": "client", "error_type": "SlowDown", "gakushoku_throttled_attempts": 1.0},
				"aws":         map[string]any{"operation": "PutObject", "region": "eu-west-1"},
			},
		},
		"throttled, then well": {
			call("DynamoDB/Query", "", status(200), attribute.Int("http.request.resend_count", 1), attribute.Int("gakushoku.throttled_attempts", 1)),
			map[string]any{
				"name": "DynamoDB", "http": answered(200), "annotations": map[string]any{"span_kind": "client", "gakushoku_throttled_attempts": 1.0},
				"aws": map[string]any{"operation": "Query", "region": "eu-west-1", "retries": 1.0},
			},
		},
		"broken": {
			call("SFN/StartExecution", "InternalServerError", status(500)),
			map[string]any{
				"name": "SFN", "http": answered(500), "fault": true, "annotations": map[string]any{"span_kind": "client", "error_type": "InternalServerError"},
				"aws": map[string]any{"operation": "StartExecution", "region": "eu-west-1"},
			},
		},
		"no answer": {
			call("DynamoDB/GetItem", "timeout", attribute.Int("gakushoku.throttled_attempts", 1)),
			map[string]any{
				"name": "DynamoDB", "fault": true, "annotations": map[string]any{"span_kind": "client", "error_type": "timeout", "gakushoku_throttled_attempts": 1.0},
				"aws": map[string]any{"operation": "GetItem", "region": "eu-west-1"},
			},
		},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhatCausedTheWorkIsLinked(t *testing.T) {
	t.Parallel()
	tracer, d := tracing(t, xray.Options{})
	_, span := tracer.Start(t.Context(), "process events", trace.WithLinks(trace.LinkFromContext(from(t))))
	span.End()
	if diff := cmp.Diff([]any{map[string]any{"trace_id": root, "id": "0100000000000000"}}, d.next(t)["links"]); diff != "" {
		t.Error(diff)
	}
}

func TestADocumentThatIsTooLongIsSentWithoutWhatMakesItSo(t *testing.T) {
	t.Parallel()
	tracer, d := tracing(t, xray.Options{})
	_, span := tracer.Start(t.Context(), "long")
	for i := range 70 {
		span.SetAttributes(attribute.String("a"+strings.Repeat("x", i), strings.Repeat("注文", 1000)))
	}
	span.End()
	if got := d.next(t); got["annotations"] != nil || got["name"] != "gakushoku" {
		t.Errorf("%v", got)
	}
}

func TestAddressesOfTheDaemon(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"": true, "127.0.0.1:2000": true, "tcp:127.0.0.1:2000 udp:127.0.0.1:2001": true, "udp:127.0.0.1:2001 tcp:127.0.0.1:2000": true,
		"127.0.0.1": false, "tcp:127.0.0.1:2000": false, "udp:nowhere": false, "udp:127.0.0.1:2001": false,
	} {
		exporter, err := xray.New(xray.Options{Address: address})
		if (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
		if err == nil {
			if err := exporter.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
