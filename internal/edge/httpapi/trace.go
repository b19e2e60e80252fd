package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/observe"
)

// trace records the outcome of a request on its span, with the names of OpenTelemetry's conventions for
// HTTP servers, and ends the span.
func (w *recorder) trace(span observe.Span, r *http.Request) {
	defer span.End()
	if !span.Recorded() {
		return
	}
	method, name := r.Method, r.Method
	if !known(method) {
		span.Str("http.request.method_original", clip(method))
		method, name = "_OTHER", "HTTP"
	}
	noted := []attribute.KeyValue{
		attribute.String("http.request.method", method), attribute.String("url.path", clip(r.URL.Path)), attribute.String("url.scheme", scheme(r)),
		attribute.Int("http.response.status_code", w.status), attribute.String("correlation.id", observe.CorrelationID(r.Context())),
	}
	if _, route, ok := strings.Cut(r.Pattern, " "); ok {
		noted = append(noted, attribute.String("http.route", route))
		name += " " + route
	}
	span.Set(noted...)
	span.Rename(name)
	if w.err != nil {
		span.Failed(w.err)
	}
	if w.status >= http.StatusInternalServerError && w.err == nil {
		span.Str(observe.AttrErrorClass, strconv.Itoa(w.status))
	}
}

// measure records a request by its route. All unknown paths share one series, and so do all unknown
// methods: otherwise a scan of the server would fill the memory.
func (w *recorder) measure(m *observe.Metrics, r *http.Request, took time.Duration) {
	if w.planned {
		return // alarms count every 503, but this one is intended
	}
	method := r.Method
	if !known(method) {
		method = "_OTHER"
	}
	_, route, _ := strings.Cut(r.Pattern, " ")
	m.Request(r.Context(), method, route, w.status, took, w.err)
}

// known reports whether the conventions name a method.
func known(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

func scheme(r *http.Request) string {
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https"
	}
	return "http"
}
