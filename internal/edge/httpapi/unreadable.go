package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// refusals are the codes and details of the HTTP server's own refusals, by status.
var refusals = map[int]requestError{
	http.StatusRequestHeaderFieldsTooLarge: {code: codeHeaders, detail: "the headers may have at most 64 KiB altogether"},
	http.StatusNotImplemented:              {code: codeEncoding, detail: "send the body chunked, or with its Content-Length"},
	http.StatusHTTPVersionNotSupported:     {code: codeProtocol, detail: "send the request by HTTP/1.1"},
	http.StatusExpectationFailed:           {code: codeExpectation, detail: "the only Expect that is met is 100-continue"},
}

// Refusal returns the whole response to a request that the HTTP server refuses before a handler sees it,
// because of an unreadable line or header, a bad escape or a missing Host. The request is logged and
// measured like all others, with the logger and metrics of ctx. It gets a new correlation id, since its own
// could not be read.
func Refusal(ctx context.Context, status int, reason string) []byte {
	started := time.Now()
	refused, ok := refusals[status]
	if !ok {
		refused = requestError{code: codeMalformed, detail: strings.TrimSuffix("the request line or a header cannot be read: "+clip(reason), ": ")}
	}
	ctx = observe.WithCorrelationID(ctx, observe.NewID())
	response := &wholeResponse{header: http.Header{}}
	out := &recorder{ResponseWriter: response}
	request := (&http.Request{Method: "-", URL: &url.URL{Path: "/"}}).WithContext(ctx)
	setHeaders(response.header, observe.CorrelationID(ctx))
	writeError(out, request, &refused)
	logger := observe.Logger(ctx).With().Str("method", "").Str("path", "").Logger()
	out.end(&logger, zerolog.InfoLevel, 0)
	out.measure(observe.MetricsOf(ctx), request, time.Since(started))
	return response.bytes()
}

// wholeResponse is a response that is written as a whole.
type wholeResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *wholeResponse) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *wholeResponse) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *wholeResponse) Write(p []byte) (int, error) { return a.body.Write(p) }

// bytes returns the response as it is sent, which ends the connection.
func (a *wholeResponse) bytes() []byte {
	var out bytes.Buffer
	a.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	whole := http.Response{
		ProtoMajor: 1, ProtoMinor: 1, StatusCode: a.status, Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Close: true,
	}
	whole.Write(&out) //nolint:errcheck // a buffer in memory does not fail
	return out.Bytes()
}
