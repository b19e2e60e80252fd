package lambdas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/command"
	"gakushoku/internal/app/lambdas/query"

	"github.com/aws/aws-lambda-go/events"
)

func TestAnInvocationsTraceIsWithTheDaemonWhenItAnswers(t *testing.T) {
	daemon, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	const header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	s := open(t, "OTEL_TRACES_EXPORTER", "xray", "AWS_XRAY_DAEMON_ADDRESS", daemon.LocalAddr().String(), "AWS_LAMBDA_FUNCTION_NAME", "query", "_X_AMZN_TRACE_ID", header)
	handler := built(t, s, query.Build)
	//lint:ignore SA1029 it is the key that the runtime uses
	ctx := context.WithValue(t.Context(), "x-amzn-trace-id", header)
	if out, err := handler(ctx, events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: "/nothing"}); err != nil || out.StatusCode != 404 {
		t.Fatalf("%d %v", out.StatusCode, err)
	}
	// Over the loopback what was sent is there. The limit is for a test that fails.
	if err := daemon.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	datagram := make([]byte, 1<<16)
	n, _, err := daemon.ReadFrom(datagram)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(datagram[:n], []byte("\n"))
	var document struct {
		Type     string `json:"type"`
		TraceID  string `json:"trace_id"`
		ParentID string `json:"parent_id"`
		HTTP     struct{ Response struct{ Status int } }
	}
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatal(err)
	}
	if document.Type != "subsegment" || document.TraceID != "1-5759e988-bd862e3fe1be46a994272793" || document.ParentID != "53995c3f42cd8ad8" || document.HTTP.Response.Status != 404 {
		t.Errorf("%s", body)
	}
}

func TestAFunctionThatCannotSendWhatIsAskedForDoesNotStart(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"} {
		if _, err := lambdas.Open(t.Context(), "query", lambdas.Environment(lambdas.EnvEventTable, "e", lambdas.EnvControlTable, "c", lambdas.EnvReadModelPrefix, "p-", name, "otlp")); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a function cannot send OTLP, and was opened with %s: %v", name, err)
		}
	}
}

func TestTheDaemonHearsOfTheCallsOfACommand(t *testing.T) {
	t.Parallel()
	daemon, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	const header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	s, _ := cloudy(t, &aCloud{}, lambdas.Environment("OTEL_TRACES_EXPORTER", "xray", "AWS_XRAY_DAEMON_ADDRESS", daemon.LocalAddr().String(), "AWS_LAMBDA_FUNCTION_NAME", "command", "_X_AMZN_TRACE_ID", header))
	handler := built(t, s, command.Build)
	//lint:ignore SA1029 it is the key that the runtime uses
	ctx := context.WithValue(t.Context(), "x-amzn-trace-id", header)
	if out, err := handler(ctx, sample[events.APIGatewayProxyRequest](t, "command-place-order.json")); err != nil || out.StatusCode != 201 {
		t.Fatalf("%d %v", out.StatusCode, err)
	}
	type heard struct {
		Name      string
		ID        string
		ParentID  string `json:"parent_id"`
		TraceID   string `json:"trace_id"`
		Type      string
		Namespace string
		AWS       struct {
			Operation string
			TableName string `json:"table_name"`
			RequestID string `json:"request_id"`
		}
	}
	byID, put := map[string]heard{}, heard{}
	for range 6 { // request, command, load, its query, append, its put
		if err := daemon.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		datagram := make([]byte, 1<<16)
		n, _, err := daemon.ReadFrom(datagram)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := bytes.Cut(datagram[:n], []byte("\n"))
		var d heard
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatal(err)
		}
		if d.Type != "subsegment" || d.TraceID != "1-5759e988-bd862e3fe1be46a994272793" {
			t.Errorf("%s", body)
		}
		byID[d.ID] = d
		if d.AWS.Operation == "PutItem" {
			put = d
		}
	}
	if put.Name != "DynamoDB" || put.Namespace != "aws" || put.AWS.TableName != "t-events" || put.AWS.RequestID != "request-7" {
		t.Errorf("the append's call: %+v", put)
	}
	var path []string
	for d, ok := byID[put.ParentID]; ok; d, ok = byID[d.ParentID] {
		path = append(path, d.Name)
		if d.ParentID == "53995c3f42cd8ad8" {
			path = append(path, "the invocation")
		}
	}
	if got := strings.Join(path, " in "); got != "append in PlaceOrder in POST /orders in the invocation" {
		t.Errorf("the append's call is in %s", got)
	}
}
