package lambdaevent

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// ErrNoRequest means that a function for API Gateway was invoked with an event that is not a request.
var ErrNoRequest = errors.New("the event is not a request of an API Gateway REST API")

// HTTP returns the Lambda handler of a REST API's proxy integration that serves requests with h. It fails,
// which API Gateway turns into 502, only if the event is not a request.
func HTTP(h http.Handler, logger zerolog.Logger) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return Invoked(func(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		r, prefix, err := request(ctx, e)
		if err != nil {
			observe.Logger(ctx).Error().Str(observe.FieldErrorClass, "bug").Err(err).Msg("request:unreadable")
			return events.APIGatewayProxyResponse{}, err
		}
		w := &response{header: http.Header{}}
		h.ServeHTTP(w, r)
		return w.event(r.Method, prefix), nil
	}, logger)
}

// request returns the event as a request, and the prefix of its path in the client's address: the stage, or
// the base path of a custom domain. Whom API Gateway takes the caller for does not count.
func request(ctx context.Context, e events.APIGatewayProxyRequest) (*http.Request, string, error) {
	if e.HTTPMethod == "" || !strings.HasPrefix(e.Path, "/") {
		return nil, "", fmt.Errorf("%w: it has method %q and path %q", ErrNoRequest, e.HTTPMethod, e.Path)
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, "", fmt.Errorf("%w: its body is not base64: %w", ErrNoRequest, err)
		}
	}
	path, prefix := split(e)
	u := &url.URL{Path: path, RawPath: path, RawQuery: queryOf(e).Encode()}
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path = decoded
	}
	headers := headersOf(e)
	// The access log of API Gateway contains the id of its request but cannot contain a header. That id
	// is therefore also the operation's correlation id, unless the client sent one.
	if len(headers.Values(observe.HeaderCorrelationID)) == 0 && e.RequestContext.RequestID != "" {
		headers.Set(observe.HeaderCorrelationID, e.RequestContext.RequestID)
	}
	r := &http.Request{
		Method: e.HTTPMethod, URL: u, RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: headers, Host: headers.Get("Host"), RemoteAddr: e.RequestContext.Identity.SourceIP,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	return r.WithContext(ctx), prefix, nil
}

// split separates the path of the API from its prefix. A custom domain with a base path leaves it in the
// event's path; the resource shows where the API's part begins.
func split(e events.APIGatewayProxyRequest) (path, prefix string) {
	resource := strings.Split(e.Resource, "/")[1:]
	segments := strings.Split(e.Path, "/")[1:]
	surplus := len(segments) - len(resource)
	if e.Resource != "" && surplus > 0 && !strings.Contains(e.Resource, "+}") && sameShape(resource, segments[surplus:]) {
		return "/" + strings.Join(segments[surplus:], "/"), "/" + strings.Join(segments[:surplus], "/")
	}
	prefix, ok := strings.CutSuffix(e.RequestContext.Path, e.Path)
	if !ok {
		return e.Path, ""
	}
	return e.Path, prefix
}

func sameShape(resource, segments []string) bool {
	for i := range resource {
		if !strings.HasPrefix(resource[i], "{") && resource[i] != segments[i] {
			return false
		}
	}
	return true
}

func queryOf(e events.APIGatewayProxyRequest) url.Values {
	if len(e.MultiValueQueryStringParameters) > 0 {
		return e.MultiValueQueryStringParameters
	}
	values := url.Values{}
	for name, value := range e.QueryStringParameters {
		values.Set(name, value)
	}
	return values
}

func headersOf(e events.APIGatewayProxyRequest) http.Header {
	headers := http.Header{}
	for name, values := range e.MultiValueHeaders {
		for _, value := range values {
			headers.Add(name, value)
		}
	}
	if len(headers) == 0 {
		for name, value := range e.Headers {
			headers.Set(name, value)
		}
	}
	return headers
}

// response records what a handler writes.
type response struct {
	header http.Header
	sent   http.Header // the headers at the time when the status was written
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// event returns the response in API Gateway's form. It prepends the prefix to Location, so that it is an
// address for the client.
func (w *response) event(method, prefix string) events.APIGatewayProxyResponse {
	w.WriteHeader(http.StatusOK)
	if location := w.sent.Get("Location"); strings.HasPrefix(location, "/") {
		w.sent.Set("Location", prefix+location)
	}
	out := events.APIGatewayProxyResponse{StatusCode: w.status, MultiValueHeaders: w.sent}
	switch body := w.body.Bytes(); {
	case method == http.MethodHead:
	case utf8.Valid(body):
		out.Body = string(body)
	default:
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return out
}
