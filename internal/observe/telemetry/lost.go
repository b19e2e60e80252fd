package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// bounded is a batching processor that counts the spans it drops. The SDK's batcher drops spans silently
// if they come faster than the exporter sends them, so bounded never fills its queue.
type bounded struct {
	sdktrace.SpanProcessor
	sent *counted
}

// maxWaitingSpans is how many spans may be queued: the size of the SDK's queue.
const maxWaitingSpans = sdktrace.DefaultMaxQueueSize

func newBounded(name string, e sdktrace.SpanExporter, logger zerolog.Logger, o ...sdktrace.BatchSpanProcessorOption) bounded {
	c := &counted{SpanExporter: e, name: name, logger: logger}
	return bounded{sdktrace.NewBatchSpanProcessor(c, append(o, sdktrace.WithMaxQueueSize(maxWaitingSpans))...), c}
}

// OnEnd is sdktrace.SpanProcessor.
func (b bounded) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() && b.sent.take() {
		b.SpanProcessor.OnEnd(s)
	}
}

// counted is an exporter that counts lost spans, and logs how many are missing once it works again.
type counted struct {
	sdktrace.SpanExporter
	name   string
	logger zerolog.Logger

	mu      sync.Mutex
	waiting int
	lost    int64
	missing int // since the last successful batch
	since   time.Time
}

// take counts a span that is to be sent. It returns false if the queue is full.
func (c *counted) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == maxWaitingSpans {
		c.miss(1)
		return false
	}
	c.waiting++
	return true
}

// ExportSpans is sdktrace.SpanExporter.
func (c *counted) ExportSpans(ctx context.Context, batch []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, batch)
	if missing, since := c.sent(len(batch), err); missing > 0 {
		c.logger.Error().Str("sink", c.name).Int("spans", missing).Time("since", since).
			Str(observe.FieldResult, observe.ResultNG).Str(observe.FieldErrorClass, string(fault.Infra)).Msg("telemetry:lost")
	}
	return err
}

// sent counts a batch. After a successful one it returns how many spans went missing before it.
func (c *counted) sent(spans int, err error) (missing int, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting -= spans
	if err != nil {
		c.miss(spans)
		return 0, time.Time{}
	}
	missing, since, c.missing = c.missing, c.since, 0
	return missing, since
}

func (c *counted) miss(spans int) {
	if c.missing == 0 {
		c.since = time.Now().UTC()
	}
	c.missing += spans
	c.lost += int64(spans)
}

// Name is observe.Lossy.
func (c *counted) Name() string { return c.name }

// Lost returns the number of lost spans.
func (c *counted) Lost() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}
