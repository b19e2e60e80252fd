// Package spanlog writes spans as JSON lines for package spans: the traces that a server keeps without a
// collector.
package spanlog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/observe/spans"
)

// Exporter is an sdktrace.SpanExporter.
type Exporter struct {
	mu  sync.Mutex
	out io.Writer
}

var _ sdktrace.SpanExporter = (*Exporter)(nil)

// New returns an exporter that writes each batch with one call. It does not close out.
func New(out io.Writer) *Exporter { return &Exporter{out: out} }

// ExportSpans writes one line per span.
func (e *Exporter) ExportSpans(_ context.Context, batch []sdktrace.ReadOnlySpan) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, span := range batch {
		if err := encoder.Encode(lineOf(span)); err != nil {
			return fmt.Errorf("writing span %s: %w", span.Name(), err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.out.Write(lines.Bytes()); err != nil {
		return fmt.Errorf("writing spans: %w", err)
	}
	return nil
}

// Shutdown is sdktrace.SpanExporter.
func (e *Exporter) Shutdown(context.Context) error { return nil }

// lineOf converts a span.
func lineOf(span sdktrace.ReadOnlySpan) spans.Span {
	s := spans.Span{
		Timestamp: spans.Time(span.StartTime()), Name: span.Name(), Kind: span.SpanKind().String(),
		DurationMs: float64(span.EndTime().Sub(span.StartTime()).Microseconds()) / float64(time.Millisecond/time.Microsecond),
		TraceID:    span.SpanContext().TraceID().String(), SpanID: span.SpanContext().SpanID().String(),
		Error: failureOf(span),
	}
	if parent := span.Parent(); parent.IsValid() && !parent.IsRemote() {
		s.ParentID = parent.SpanID().String()
	}
	if attributes := span.Attributes(); len(attributes) > 0 {
		s.Attributes = make(map[string]any, len(attributes))
		for _, a := range attributes {
			s.Attributes[string(a.Key)] = a.Value.AsInterface()
		}
	}
	for _, l := range span.Links() {
		if id := l.SpanContext.TraceID().String(); !slices.Contains(s.Links, id) {
			s.Links = append(s.Links, id)
		}
	}
	return s
}

// failureOf returns the error recorded on a span, "" if it has not failed.
func failureOf(span sdktrace.ReadOnlySpan) string {
	if span.Status().Code != codes.Error {
		return ""
	}
	for _, e := range span.Events() {
		for _, a := range e.Attributes {
			if e.Name == "exception" && a.Key == "exception.message" {
				return a.Value.AsString()
			}
		}
	}
	return span.Status().Description
}
