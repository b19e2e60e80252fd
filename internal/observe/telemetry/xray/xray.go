// Package xray sends spans to the X-Ray daemon as segment documents over UDP, which is what
// Lambda runs beside a function whose tracing is on: no layer and no collector is needed.
//
// The emitter of AWS's own SDK for X-Ray is not used: it takes only segments of that SDK's
// instrumentation, and its package links gRPC, fasthttp and net/http's HTTP/2 anew.
package xray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// header stands before each document.
const header = `{"format":"json","version":1}` + "\n"

// maxDocument is the most that the daemon takes in one datagram.
const maxDocument = 64_000

const defaultAddress = "127.0.0.1:2000"

// Options say where the documents go.
type Options struct {
	Address string // as AWS_XRAY_DAEMON_ADDRESS has it; "" is 127.0.0.1:2000
	// OnLambda says that X-Ray has a segment of each invocation already, so that what a function
	// does in it are subsegments.
	OnLambda bool
	// Invocation is the X-Ray header of the invocation under way; used OnLambda.
	Invocation func() string
}

// Exporter is an sdktrace.SpanExporter.
type Exporter struct {
	options Options
	mu      sync.Mutex
	conn    net.Conn
}

// New makes an exporter. Nothing is sent yet, and nobody needs to listen.
func New(o Options) (*Exporter, error) {
	address, err := udpAddress(o.Address)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("udp", address) // of UDP this only looks the address up
	if err != nil {
		return nil, fmt.Errorf("AWS_XRAY_DAEMON_ADDRESS is %q: %w", o.Address, err)
	}
	return &Exporter{options: o, conn: conn}, nil
}

// udpAddress reads HOST:PORT or "tcp:HOST:PORT udp:HOST:PORT".
func udpAddress(s string) (string, error) {
	if s == "" {
		return defaultAddress, nil
	}
	if !strings.Contains(s, "udp:") {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return "", fmt.Errorf("AWS_XRAY_DAEMON_ADDRESS is %q: it must be HOST:PORT or tcp:HOST:PORT udp:HOST:PORT", s)
		}
		return s, nil
	}
	for field := range strings.FieldsSeq(s) {
		if address, ok := strings.CutPrefix(field, "udp:"); ok {
			return address, nil
		}
	}
	return "", fmt.Errorf("AWS_XRAY_DAEMON_ADDRESS is %q: it names no udp:HOST:PORT", s)
}

// ExportSpans sends one document a span. A span that cannot be sent does not keep back the
// others.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, span := range spans {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if err := e.send(span); err != nil {
			errs = append(errs, fmt.Errorf("sending span %s to X-Ray: %w", span.Name(), err))
		}
	}
	return errors.Join(errs...)
}

func (e *Exporter) send(span sdktrace.ReadOnlySpan) error {
	document := documentOf(span, e.subsegment(span))
	encoded, err := json.Marshal(document)
	if err == nil && len(encoded) > maxDocument {
		document.Annotations, document.Cause, document.Links = nil, nil, nil
		encoded, err = json.Marshal(document)
	}
	if err != nil {
		return err
	}
	_, err = e.conn.Write(append([]byte(header), encoded...))
	return err
}

// subsegment reports whether a span is part of a segment that X-Ray gets as well: of another
// span of ours, or of the invocation. A span in a trace that the caller brought is a segment of
// its own, since nobody sends X-Ray the caller's.
func (e *Exporter) subsegment(span sdktrace.ReadOnlySpan) bool {
	parent := span.Parent()
	if !parent.IsValid() {
		return false
	}
	if !parent.IsRemote() {
		return true
	}
	// Of an invocation that was not sampled X-Ray has no segment.
	return parent.IsSampled() && e.options.OnLambda && e.options.Invocation != nil && strings.Contains(e.options.Invocation(), "Root="+traceID(parent.TraceID()))
}

// Shutdown ends the exporter.
func (e *Exporter) Shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conn.Close()
}

// traceID is an id as X-Ray writes it. It takes ids that W3C allows, without the time in them.
func traceID(id trace.TraceID) string {
	hex := id.String()
	return "1-" + hex[:8] + "-" + hex[8:]
}
