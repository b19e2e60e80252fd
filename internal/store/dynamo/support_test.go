package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/oklog/ulid/v2"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/awsfault"
)

// endpoint is where DynamoDB Local listens. Without one the test is skipped, unless CI says
// that there must be one.
func endpoint(tb testing.TB) string {
	tb.Helper()
	address := os.Getenv("DYNAMODB_ENDPOINT")
	if address == "" && os.Getenv("REQUIRE_DYNAMODB") != "" {
		tb.Fatal("REQUIRE_DYNAMODB is set but DYNAMODB_ENDPOINT is not: run `make test-dynamodb`")
	}
	if address == "" {
		tb.Skip("needs DynamoDB Local: run `make test-dynamodb`")
	}
	return address
}

var testCredentials = credentials.NewStaticCredentialsProvider("gakushoku", "gakushoku", "")

// options are those of a client of address; more may change them.
func options(address string, more ...func(*dynamodb.Options)) dynamodb.Options {
	o := dynamodb.Options{Region: "eu-central-1", BaseEndpoint: &address, Credentials: testCredentials}
	Bounded(&o)
	for _, option := range more {
		option(&o)
	}
	return o
}

// realClient talks to DynamoDB Local.
func realClient(tb testing.TB, more ...func(*dynamodb.Options)) *dynamodb.Client {
	tb.Helper()
	return dynamodb.New(options(endpoint(tb), more...))
}

func realStreams(tb testing.TB) *dynamodbstreams.Client {
	tb.Helper()
	address := endpoint(tb)
	return dynamodbstreams.New(dynamodbstreams.Options{Region: "eu-central-1", BaseEndpoint: &address, Credentials: testCredentials})
}

// through makes a client send by a transport.
func through(t transport) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) { o.HTTPClient = t }
}

// transport is a fake of the network.
type transport func(*http.Request) (*http.Response, error)

func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }

// fakeClient talks to a transport only.
func fakeClient(t transport) *dynamodb.Client {
	return dynamodb.New(options("http://dynamodb.invalid", through(t), hurried))
}

// hurried keeps the number of tries of Bounded but hardly waits between them.
func hurried(o *dynamodb.Options) {
	o.Retryer = awsfault.Retryer(maxAttempts, time.Millisecond)
}

// answer is a transport that always gives the same answer, and counts.
func answer(status int, body string, sent *atomic.Int64) transport {
	return func(r *http.Request) (*http.Response, error) {
		sent.Add(1)
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    r,
		}, nil
	}
}

// refusal is the body by which DynamoDB refuses a call.
func refusal(code string) string {
	return fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"made up by a test"}`, code)
}

// losing does what is asked of it but loses the first answer to each call of an operation.
func losing(operation string) transport {
	client := awshttp.NewBuildableClient()
	var lost atomic.Bool
	return func(r *http.Request) (*http.Response, error) {
		response, err := client.Do(r)
		if err == nil && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) && lost.CompareAndSwap(false, true) {
			response.Body.Close()
			return nil, errors.New("connection reset by a test")
		}
		return response, err
	}
}

// before calls do once, before the first call of an operation is sent.
func before(operation string, do func()) transport {
	client := awshttp.NewBuildableClient()
	var done atomic.Bool
	return func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) && done.CompareAndSwap(false, true) {
			do()
			return nil, errors.New("connection refused by a test")
		}
		return client.Do(r)
	}
}

// newName is a name that no other test has.
func newName(prefix string) string { return prefix + ulid.Make().String() }

func newEventTable(tb testing.TB) string {
	tb.Helper()
	client, table := realClient(tb), newName("events-")
	if err := CreateEventTable(context.Background(), client, table); err != nil {
		tb.Fatal(err)
	}
	dropAfter(tb, client, table)
	return table
}

func newControlTable(tb testing.TB) string {
	tb.Helper()
	client, table := realClient(tb), newName("control-")
	if err := CreateControlTable(context.Background(), client, table); err != nil {
		tb.Fatal(err)
	}
	dropAfter(tb, client, table)
	return table
}

func dropAfter(tb testing.TB, client *dynamodb.Client, table string) {
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(table)}); err != nil && !missing(err) {
			tb.Errorf("dropping %s: %v", table, err)
		}
	})
}

var ordersV1 = projection.Table{Projection: "orders", Version: 1}

// newTables is a store with a prefix of its own, and orders-v1 in it.
func newTables(tb testing.TB, more ...func(*dynamodb.Options)) *Tables {
	tb.Helper()
	tables := NewTables(realClient(tb, more...), Options{Prefix: newName("p-") + "-", Tags: map[string]string{"service": "gakushoku"}})
	if err := tables.Create(context.Background(), ordersV1); err != nil {
		tb.Fatal(err)
	}
	dropAfter(tb, realClient(tb), tables.name(ordersV1))
	return tables
}

// with is the same tables through a client of its own.
func (s *Tables) with(client TablesAPI) *Tables { return NewTables(client, s.options) }

func testEvent(id string) event.Event {
	return event.Event{
		ID: id, Type: order.PlacedType, OccurredAt: event.InstantOfMilli(1769212800000), CorrelationID: "c-1", Schema: 2,
		Payload: []byte(`{"orderId":"o1","total":780}`), CommandID: "k-1", CommandHash: "h", Actor: "user-7",
	}
}

// testChange is the writes-th write of a stream's row, in the bucket of a day.
func testChange(stream string, writes uint64, totals ...model.Contribution) projection.Change {
	return projection.Change{
		Record: projection.Record{
			Stream: stream, Version: writes, Writes: writes, Data: []byte(fmt.Sprintf(`{"n":%d}`, writes)),
			Place: model.Place{Bucket: "2026-01-24", Sort: "2026-01-24T00:00:00.000Z#" + stream},
		},
		Expected: writes - 1,
		Totals:   totals,
	}
}

func oneOrder() model.Contribution {
	return model.Contribution{Key: "2026-01-24", Field: "orders", Amount: 1}
}
