package lambdaevent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

func golden[T any](t *testing.T, file string) T {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// seen is what a handler saw of a request.
type seen struct {
	Method, Path, Query, ContentType, Correlation, Host, Remote, Body, Caller string
	Accept, A                                                                 []string
}

func look(into *seen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*into = seen{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.Query().Get("日"), ContentType: r.Header.Get("content-type"),
			Correlation: r.Header.Get("X-Correlation-Id"), Host: r.Host, Remote: r.RemoteAddr, Body: string(body),
			Caller: observe.CallerOf(r.Context()).Name, Accept: r.Header.Values("Accept"), A: r.URL.Query()["a"],
		}
		w.Header().Set("Location", "/orders/o1")
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("X-Late", "not sent")
		io.WriteString(w, "注文")
	})
}

func TestARequestArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	var got seen
	out, err := HTTP(look(&got), zerolog.Nop())(t.Context(), golden[events.APIGatewayProxyRequest](t, "request.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := seen{
		Method: "POST", Path: "/orders/注文/pay", Query: "本 &=?", ContentType: "application/json", Correlation: "c-1", Host: "api.example.com",
		Remote: "203.0.113.7", Body: `{"paymentMethod":"CARD"}`, Accept: []string{"application/json", "text/plain"}, A: []string{"1", "2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantOut := events.APIGatewayProxyResponse{StatusCode: 201, Body: "注文", MultiValueHeaders: map[string][]string{"Location": {"/v1/orders/o1"}, "X-Two": {"a", "b"}}}
	if diff := cmp.Diff(wantOut, out); diff != "" {
		t.Error(diff)
	}
}

// The access log knows the request's id only: so it is the operation's, as long as the client has
// none of its own.
func TestAnOperationIsCalledAsInTheAccessLog(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers map[string]string
		want    string
	}{
		"none of its own": {nil, "request-7"},
		"one of its own":  {map[string]string{"X-CORRELATION-ID": "c-1"}, "c-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got seen
			e := events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: "/orders", Headers: test.headers, RequestContext: events.APIGatewayProxyRequestContext{RequestID: "request-7"}}
			if _, err := HTTP(look(&got), zerolog.Nop())(t.Context(), e); err != nil || got.Correlation != test.want {
				t.Errorf("the operation is %q, want %q (%v)", got.Correlation, test.want, err)
			}
		})
	}
}

func TestPathsAndPrefixes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ resource, path, contextPath, wantPath, wantPrefix string }{
		"stage":                     {"/orders", "/orders", "/v1/orders", "/orders", "/v1"},
		"custom domain":             {"/orders", "/orders", "/orders", "/orders", ""},
		"custom domain, base path":  {"/orders/{id}", "/canteen/orders/o1", "/canteen/orders/o1", "/orders/o1", "/canteen"},
		"base path of two segments": {"/orders", "/a/b/orders", "/a/b/orders", "/orders", "/a/b"},
		"no resource":               {"", "/orders/o1", "", "/orders/o1", ""},
		"a proxy resource":          {"/{proxy+}", "/a/b/c", "/v1/a/b/c", "/a/b/c", "/v1"},
		"another shape":             {"/orders/{id}", "/x/sales/o1", "/v1/x/sales/o1", "/x/sales/o1", "/v1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := events.APIGatewayProxyRequest{Resource: test.resource, Path: test.path, RequestContext: events.APIGatewayProxyRequestContext{Path: test.contextPath}}
			if path, prefix := split(e); path != test.wantPath || prefix != test.wantPrefix {
				t.Errorf("got %q %q, want %q %q", path, prefix, test.wantPath, test.wantPrefix)
			}
		})
	}
}

func TestEventsWithoutMultiValues(t *testing.T) {
	t.Parallel()
	var got seen
	_, err := HTTP(look(&got), zerolog.Nop())(t.Context(), events.APIGatewayProxyRequest{
		HTTPMethod: "GET", Path: "/orders/50%", Headers: map[string]string{"accept": "x"}, QueryStringParameters: map[string]string{"a": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(seen{Method: "GET", Path: "/orders/50%", Accept: []string{"x"}, A: []string{"1"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]events.APIGatewayProxyRequest{
		"empty":      {},
		"no path":    {HTTPMethod: "GET"},
		"odd path":   {HTTPMethod: "GET", Path: "orders"},
		"not base64": {HTTPMethod: "POST", Path: "/orders", Body: "%%%", IsBase64Encoded: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := HTTP(look(new(seen)), zerolog.Nop())(t.Context(), e); !errors.Is(err, ErrNoRequest) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBodiesOfResponses(t *testing.T) {
	t.Parallel()
	serve := func(method string, body []byte) events.APIGatewayProxyResponse {
		out, err := HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }), zerolog.Nop())(
			t.Context(), events.APIGatewayProxyRequest{HTTPMethod: method, Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := serve("GET", []byte{0xff, 0x00}); !out.IsBase64Encoded || out.Body != "/wA=" || out.StatusCode != 200 {
		t.Errorf("bytes: %+v", out)
	}
	if out := serve("HEAD", []byte("x")); out.Body != "" || out.StatusCode != 200 {
		t.Errorf("HEAD: %+v", out)
	}
}

func TestLogLinesCarryTheInvocation(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var parent string
	var deadline time.Time
	h := HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		parent = observe.Traceparent(r.Context())
		deadline, _ = r.Context().Deadline()
		observe.Logger(r.Context()).Info().Msg("x")
	}), observe.NewLogger(&log, zerolog.InfoLevel, "command"))
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "req-1"})
	//lint:ignore SA1029 it is the key that the runtime uses
	ctx = context.WithValue(ctx, "x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
	end := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	for range 2 {
		if _, err := h(ctx, events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for i, cold := range []bool{true, false} {
		var line map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
			t.Fatal(err)
		}
		if line["cold_start"] != cold || line["function_request_id"] != "req-1" || line["xray_trace_id"] != "1-5759e988-bd862e3fe1be46a994272793" {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
	if want := "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"; parent != want {
		t.Errorf("traceparent %q, want %q", parent, want)
	}
	if !deadline.Equal(end.Add(-margin)) {
		t.Errorf("deadline %s, want %s before %s", deadline, margin, end)
	}
}
