// Package xray sends spans to the X-Ray daemon as segment documents over UDP. Lambda runs a daemon
// beside each function with active tracing, so neither a layer nor a collector is needed.
//
// The trace header and the daemon's address are parsed by AWS's SDK for X-Ray. Its emitter is not used:
// it accepts only segments of the SDK's own instrumentation, and its package links gRPC and fasthttp.
package xray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/aws/aws-xray-sdk-go/v2/daemoncfg"
	"github.com/aws/aws-xray-sdk-go/v2/header"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// preamble stands before each document.
const preamble = `{"format":"json","version":1}` + "\n"

// maxDocument is the most that the daemon accepts in one datagram.
const maxDocument = 64_000

// Options say where the documents go.
type Options struct {
	Address string // of the daemon, unless AWS_XRAY_DAEMON_ADDRESS is set; "" is 127.0.0.1:2000
	// OnLambda says that X-Ray already has a segment of each invocation: spans within it are
	// subsegments.
	OnLambda bool
	// Invocation returns the X-Ray header of the current invocation. It is used on Lambda.
	Invocation func() string
}

// Exporter is an sdktrace.SpanExporter.
type Exporter struct {
	options Options
	mu      sync.Mutex
	conn    net.Conn
}

// New returns an exporter. It sends nothing yet, and no daemon has to listen.
func New(o Options) (*Exporter, error) {
	address, err := daemonAddress(o.Address)
	if err != nil {
		return nil, fmt.Errorf("AWS_XRAY_DAEMON_ADDRESS: %w", err)
	}
	conn, err := net.DialUDP("udp", nil, address)
	if err != nil {
		return nil, fmt.Errorf("AWS_XRAY_DAEMON_ADDRESS: %w", err)
	}
	return &Exporter{options: o, conn: conn}, nil
}

// daemonAddress reads the process's environment first, as AWS's SDK for X-Ray does. The SDK logs to
// standard output if it finds the variable when it is asked to parse a text.
func daemonAddress(text string) (*net.UDPAddr, error) {
	endpoints, err := daemoncfg.GetDaemonEndpointsFromEnv()
	if endpoints == nil && err == nil {
		endpoints, err = daemoncfg.GetDaemonEndpointsFromString(text)
	}
	if err != nil {
		return nil, err
	}
	if endpoints == nil {
		endpoints = daemoncfg.GetDefaultDaemonEndpoints()
	}
	return endpoints.UDPAddr, nil
}

// ExportSpans sends one document per span. It goes on after a span that cannot be sent.
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
	_, err = e.conn.Write(append([]byte(preamble), encoded...))
	return err
}

// subsegment reports whether X-Ray also gets the segment that a span is part of: that of another
// span of this process, or of the invocation. A span in a trace that the caller started is a
// segment of its own, since X-Ray does not get the caller's.
func (e *Exporter) subsegment(span sdktrace.ReadOnlySpan) bool {
	parent := span.Parent()
	if !parent.IsValid() {
		return false
	}
	if !parent.IsRemote() {
		return true
	}
	if !parent.IsSampled() || !e.options.OnLambda || e.options.Invocation == nil {
		return false // X-Ray has no segment of an invocation that was not sampled
	}
	return header.FromString(e.options.Invocation()).TraceID == traceID(parent.TraceID())
}

// Shutdown ends the exporter.
func (e *Exporter) Shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conn.Close()
}

// traceID formats an id for X-Ray, which also accepts W3C ids that do not contain the time.
func traceID(id trace.TraceID) string {
	hex := id.String()
	return "1-" + hex[:8] + "-" + hex[8:]
}
