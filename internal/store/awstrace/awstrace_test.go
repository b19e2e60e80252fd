package awstrace_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
	"gakushoku/internal/store/awstrace"
	"gakushoku/internal/store/dynamo"
)

// tracing is a context within a span that is recorded, and what was recorded within it.
func tracing(t *testing.T) (context.Context, func() []sdktrace.ReadOnlySpan) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	ctx, _ := observe.Start(observe.WithTracer(t.Context(), tracer), "append", observe.Internal)
	return ctx, recorder.Ended
}

// table answers each call with the next of some answers, the last one again and again.
func table(t *testing.T, answers ...string) *dynamodb.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // nobody reads it
		answer := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		w.Header().Set("X-Amzn-RequestId", "request-7")
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		status := http.StatusOK
		if code, body, failed := strings.Cut(answer, " "); failed {
			answer = body
			fmt.Sscan(code, &status) //nolint:errcheck // it is a number
		}
		w.WriteHeader(status)
		io.WriteString(w, answer) //nolint:errcheck // the test would notice
	}))
	t.Cleanup(server.Close)
	return client(server.URL)
}

func client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}, dynamo.Bounded, dynamo.Traced, func(o *dynamodb.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxAttempts, r.MaxBackoff = 3, time.Nanosecond })
	})
}

const (
	throttled  = `400 {"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"secret"}`
	refused    = `400 {"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"secret"}`
	broken     = `500 {"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"secret"}`
	cancelled  = `400 {"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"secret","CancellationReasons":[{"Code":"None"},{"Code":"ThrottlingError","Message":"secret"},{"Code":"ConditionalCheckFailed","Item":{"name":{"S":"secret"}}}]}`
	personal   = "secret"
	wholeTable = "canteen-events"
)

func put(ctx context.Context, c *dynamodb.Client) error {
	_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(wholeTable), Item: map[string]types.AttributeValue{"name": &types.AttributeValueMemberS{Value: personal}}})
	return err
}

func transact(ctx context.Context, c *dynamodb.Client) error {
	write := func(table string) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: map[string]types.AttributeValue{"name": &types.AttributeValueMemberS{Value: personal}}}}
	}
	update := types.TransactWriteItem{Update: &types.Update{TableName: aws.String("totals"), UpdateExpression: aws.String("ADD n :n"), Key: map[string]types.AttributeValue{"name": &types.AttributeValueMemberS{Value: personal}}}}
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{write("rows"), update, write("rows")}})
	return err
}

func TestACallIsASpan(t *testing.T) {
	t.Parallel()
	type what struct {
		name       string
		status     codes.Code
		attributes map[string]any
	}
	always := func(operation string, tables []string, more map[string]any) map[string]any {
		all := map[string]any{
			"rpc.system.name": "aws-api", "rpc.method": "DynamoDB/" + operation, "cloud.region": "eu-west-1", "db.system.name": "aws.dynamodb",
			"aws.dynamodb.table_names": tables, "aws.request_id": "request-7",
		}
		for key, value := range more {
			if all[key] = value; value == nil {
				delete(all, key)
			}
		}
		return all
	}
	events := []string{wholeTable}
	for name, test := range map[string]struct {
		answers []string
		call    func(context.Context, *dynamodb.Client) error
		want    what
	}{
		"well": {[]string{`{}`}, put, what{"DynamoDB.PutItem", codes.Unset, always("PutItem", events, map[string]any{"http.response.status_code": int64(200)})}},
		"well at last": {[]string{throttled, broken, `{}`}, put, what{"DynamoDB.PutItem", codes.Unset, always("PutItem", events, map[string]any{
			"http.response.status_code": int64(200), "http.request.resend_count": int64(2), "gakushoku.throttled_attempts": int64(1),
		})}},
		"throttled": {[]string{throttled}, put, what{"DynamoDB.PutItem", codes.Error, always("PutItem", events, map[string]any{
			"http.response.status_code": int64(400), "http.request.resend_count": int64(2), "gakushoku.throttled_attempts": int64(3),
			"rpc.response.status_code": "ProvisionedThroughputExceededException", "error.type": "ProvisionedThroughputExceededException",
		})}},
		"refused": {[]string{refused}, put, what{"DynamoDB.PutItem", codes.Unset, always("PutItem", events, map[string]any{
			"http.response.status_code": int64(400), "rpc.response.status_code": "ConditionalCheckFailedException",
		})}},
		"broken": {[]string{broken}, put, what{"DynamoDB.PutItem", codes.Error, always("PutItem", events, map[string]any{
			"http.response.status_code": int64(500), "http.request.resend_count": int64(2), "rpc.response.status_code": "InternalServerError", "error.type": "InternalServerError",
		})}},
		"a transaction": {[]string{cancelled}, transact, what{"DynamoDB.TransactWriteItems", codes.Unset, always("TransactWriteItems", []string{"rows", "totals"}, map[string]any{
			"http.response.status_code": int64(400), "rpc.response.status_code": "TransactionCanceledException",
			"gakushoku.reasons": []string{"ConditionalCheckFailed", "ThrottlingError"}, "gakushoku.throttled_attempts": int64(1),
		})}},
		"no answer": {nil, put, what{"DynamoDB.PutItem", codes.Error, always("PutItem", events, map[string]any{
			"aws.request_id": nil, "http.request.resend_count": int64(2), "rpc.response.status_code": "no_answer", "error.type": "no_answer",
		})}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, ended := tracing(t)
			c := client("http://127.0.0.1:1") // where nobody listens
			if len(test.answers) > 0 {
				c = table(t, test.answers...)
			}
			err := test.call(ctx, c)
			if last := test.want.attributes["http.response.status_code"]; (err == nil) != (last == int64(200)) {
				t.Errorf("the call ended with %v", err)
			}
			spans := ended()
			if len(spans) != 1 {
				t.Fatalf("%d spans", len(spans))
			}
			got := spans[0]
			attributes := map[string]any{}
			for _, a := range got.Attributes() {
				attributes[string(a.Key)] = a.Value.AsInterface()
			}
			if diff := cmp.Diff(test.want, what{got.Name(), got.Status().Code, attributes}, cmp.AllowUnexported(what{})); diff != "" {
				t.Error(diff)
			}
			if got.SpanKind() != trace.SpanKindClient || got.Parent().SpanID() != trace.SpanContextFromContext(ctx).SpanID() || !got.EndTime().After(got.StartTime()) {
				t.Errorf("%s in %s, from %s to %s", got.SpanKind(), got.Parent().SpanID(), got.StartTime(), got.EndTime())
			}
			if all := fmt.Sprint(got.Attributes(), got.Events(), got.Status()); strings.Contains(all, personal) {
				t.Errorf("what is in the call is in the span: %s", all)
			}
		})
	}
}

func TestTimeThatRunsOutIsTold(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"timeout": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*time.Millisecond)
		},
		"canceled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			over := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
			defer server.Close()
			defer close(over)
			ctx, ended := tracing(t)
			ctx, cancel := end(ctx)
			defer cancel()
			if err := put(ctx, client(server.URL)); err == nil {
				t.Error("the call went well")
			}
			spans := ended()
			if len(spans) != 1 || spans[0].Status().Description != want {
				t.Errorf("%d spans, of which one ended as %q", len(spans), spans[0].Status().Description)
			}
		})
	}
}

// direct is a call of which only the middleware is real.
func direct(t *testing.T, record func(*middleware.Stack) error, err error) func(context.Context) {
	t.Helper()
	stack := middleware.NewStack("call", nil)
	if err := record(stack); err != nil {
		t.Fatal(err)
	}
	next := middleware.HandlerFunc(func(context.Context, any) (any, middleware.Metadata, error) { return nil, middleware.Metadata{}, err })
	return func(ctx context.Context) { stack.Initialize.HandleMiddleware(ctx, nil, next) } //nolint:errcheck // it is what was given
}

var record = awstrace.Service{Names: func(any) []attribute.KeyValue { return nil }}.Record

// nothing is a middleware that only passes on.
func nothing(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Nothing", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(ctx, in)
	}), middleware.After)
}

// Not parallel: it counts allocations.
func TestACallThatNobodyRecordsCostsNothing(t *testing.T) {
	dropped := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("test")
	inDropped, _ := observe.Start(observe.WithTracer(t.Context(), dropped), "append", observe.Internal)
	recorder := tracetest.NewSpanRecorder()
	kept := observe.WithTracer(t.Context(), sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test"))
	traced, plain := direct(t, record, nil), direct(t, nothing, nil)
	for name, ctx := range map[string]context.Context{
		"no tracer": t.Context(), "a span that is dropped": inDropped, "no span": kept,
		"the span of another process": observe.WithParent(kept, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
	} {
		if got, want := testing.AllocsPerRun(100, func() { traced(ctx) }), testing.AllocsPerRun(100, func() { plain(ctx) }); got != want {
			t.Errorf("%s: %v allocations, %v without recording", name, got, want)
		}
	}
	if n := len(recorder.Started()); n > 0 {
		t.Errorf("%d spans were recorded that belong to none", n)
	}
}

func TestOfVeryManyCallsThoseThatTellSomethingAreRecorded(t *testing.T) {
	t.Parallel()
	ctx, ended := tracing(t)
	ctx = awstrace.WithBudget(ctx)
	well, failing := direct(t, record, nil), direct(t, record, context.DeadlineExceeded)
	leftOut := func() (n int) {
		for _, s := range ended() {
			for _, a := range s.Attributes() {
				if string(a.Key) == observe.AttrCallsLeftOut && a.Value.AsBool() {
					n++
				}
			}
		}
		return n
	}
	for range 1000 {
		well(ctx)
	}
	if n := len(ended()); n != 200 || leftOut() != 1 {
		t.Errorf("%d calls were recorded, and %d say that there may be more", n, leftOut())
	}
	for range 1000 {
		failing(ctx)
	}
	if n := len(ended()); n != 400 || leftOut() != 2 {
		t.Errorf("%d calls were recorded, and %d say that there may be more", n, leftOut())
	}
	well(awstrace.WithBudget(ctx))
	if n := len(ended()); n != 401 {
		t.Errorf("the next piece of work has no budget of its own: %d", n)
	}
}
