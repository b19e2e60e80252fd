package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
)

// collector is an exporter that blocks until it may go on, and fails while it is to.
type collector struct {
	goOn chan struct{}
	mu   sync.Mutex
	err  error
	got  int
}

func (c *collector) ExportSpans(ctx context.Context, batch []sdktrace.ReadOnlySpan) error {
	<-c.goOn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.got += len(batch)
	}
	return c.err
}

func (c *collector) Shutdown(context.Context) error { return nil }

func (c *collector) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func TestSpansThatGetLostAreCountedAndSaid(t *testing.T) {
	t.Parallel()
	to, log := &collector{goOn: make(chan struct{}), err: errors.New("no route")}, &lockedBuffer{}
	sent, err := telemetry.Open(t.Context(), telemetry.Options{
		Function: "test", Getenv: environment("OTEL_TRACES_EXPORTER", "slow"), Logger: observe.NewLogger(log, zerolog.InfoLevel, "test"),
		More: telemetry.SpanExporters{"slow": func(context.Context) (sdktrace.SpanExporter, error) { return to, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	spans := func(n int) {
		for range n {
			_, span := sent.Tracer().Start(t.Context(), "x")
			span.End()
		}
	}
	const room, more = sdktrace.DefaultMaxQueueSize, 100
	spans(room + more) // nobody takes them, and nobody waits
	sink := sent.Sinks()[0]
	if sink.Name() != "traces" || sink.Lost() != more {
		t.Errorf("%s has lost %d spans", sink.Name(), sink.Lost())
	}
	close(to.goOn)
	if err := sent.Flush(t.Context()); err != nil || sink.Lost() != room+more {
		t.Errorf("%d spans are lost: %v", sink.Lost(), err)
	}
	to.fail(nil)
	spans(1)
	if err := sent.Close(t.Context()); err != nil || to.got != 1 {
		t.Errorf("%d spans got through: %v", to.got, err)
	}
	if text := log.String(); strings.Count(text, "telemetry:lost") != 1 || !strings.Contains(text, `"sink":"traces","spans":2148,"since":"`) {
		t.Errorf("%s", text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
