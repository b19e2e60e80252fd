package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/observe"
)

// attrCorrelationID names the operation that a span belongs to.
const attrCorrelationID = attribute.Key("correlation.id")

// console writes spans as lines among those of the log. Operators search the log by correlationId, so
// these lines have it too.
func console(out io.Writer) (sdktrace.SpanExporter, error) {
	return stdouttrace.New(stdouttrace.WithWriter(correlated{out}))
}

// correlated puts the correlation id of each span at the start of its line.
type correlated struct{ out io.Writer }

// Write receives one span as encoded by its exporter.
func (c correlated) Write(line []byte) (int, error) {
	var span struct {
		Attributes []struct {
			Key   attribute.Key
			Value struct{ Value any }
		}
	}
	if err := json.Unmarshal(line, &span); err != nil {
		return 0, fmt.Errorf("decoding a span: %w", err)
	}
	more := line
	for _, a := range span.Attributes {
		if id, ok := a.Value.Value.(string); ok && a.Key == attrCorrelationID {
			field, err := json.Marshal(map[string]string{observe.FieldCorrelationID: id})
			if err != nil {
				return 0, fmt.Errorf("encoding a span: %w", err)
			}
			more = append(append(bytes.TrimSuffix(field, []byte("}")), ','), bytes.TrimPrefix(line, []byte("{"))...)
		}
	}
	if _, err := c.out.Write(more); err != nil {
		return 0, err
	}
	return len(line), nil
}

// correlating adds the operation's correlation id to every span: otherwise only that of a request has it.
type correlating struct{}

var _ sdktrace.SpanProcessor = correlating{}

// OnStart is sdktrace.SpanProcessor.
func (correlating) OnStart(ctx context.Context, span sdktrace.ReadWriteSpan) {
	if id := observe.CorrelationID(ctx); id != "" {
		span.SetAttributes(attrCorrelationID.String(id))
	}
}

// OnEnd is sdktrace.SpanProcessor.
func (correlating) OnEnd(sdktrace.ReadOnlySpan) {}

// Shutdown is sdktrace.SpanProcessor.
func (correlating) Shutdown(context.Context) error { return nil }

// ForceFlush is sdktrace.SpanProcessor.
func (correlating) ForceFlush(context.Context) error { return nil }
