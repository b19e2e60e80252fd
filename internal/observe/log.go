package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/fault"
)

// The fields of log lines (DESIGN.md section 10). People search for them: never rename one.
const (
	FieldService       = "service"
	FieldFunction      = "function"
	FieldCorrelationID = "correlationId"
	FieldTraceID       = "trace_id"
	FieldSpanID        = "span_id"
	FieldCommandName   = "commandName"
	FieldQueryName     = "queryName"
	FieldOrderID       = "orderId"
	FieldStream        = "stream"
	FieldVersion       = "version"
	FieldEventID       = "eventId"
	FieldEventType     = "type"
	FieldEventNumber   = "eventNumber"
	FieldDurationMs    = "durationMs"
	FieldResult        = "result"
	FieldErrorClass    = "errorClass"
	FieldProjection    = "projection"
)

// The values of FieldResult.
const (
	ResultOK = "OK"
	ResultNG = "NG"
)

// timestampLayout is RFC 3339 in UTC with milliseconds, as events have it.
const timestampLayout = "2006-01-02T15:04:05.000Z"

func init() {
	// zerolog keeps its field names in package variables; they are set once, here, before
	// any logger exists.
	zerolog.TimestampFieldName = "timestamp"
	zerolog.MessageFieldName = "message"
	zerolog.LevelFieldName = "level"
	zerolog.ErrorFieldName = "error"
	zerolog.TimeFieldFormat = timestampLayout
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
}

// NewLogger makes the logger of a process: JSON lines to w, from level up.
func NewLogger(w io.Writer, level zerolog.Level, function string) zerolog.Logger {
	return zerolog.New(w).Level(level).With().Timestamp().Str(FieldService, "gakushoku").Str(FieldFunction, function).Logger()
}

// ParseLevel reads a level such as "debug" or "info".
func ParseLevel(s string) (zerolog.Level, error) {
	if s == "" {
		return zerolog.InfoLevel, nil
	}
	level, err := zerolog.ParseLevel(s)
	if err != nil {
		return zerolog.NoLevel, fmt.Errorf("log level %q: use trace, debug, info, warn or error", s)
	}
	return level, nil
}

// WithLogger puts the logger of the process into a context. Its lines carry the ids of the
// span that ctx is in, if there is one.
func WithLogger(ctx context.Context, logger zerolog.Logger) context.Context {
	ctx = logger.WithContext(ctx)
	if p, ok := ctx.Value(spanlessKey{}).(*spanless); ok {
		return withSpan(ctx, &spanless{logger, p.traceID, p.spanID})
	}
	return ctx
}

// Logger is the logger of the operation that ctx belongs to; one that writes nothing when
// there is none.
func Logger(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }

// Failed adds to a line what every line of a failed operation says: how long it took, its
// result, the class of the error, the code of a refusal, and the error.
func Failed(line *zerolog.Event, elapsedMs float64, err error) *zerolog.Event {
	var refusal fault.DomainError
	if errors.As(err, &refusal) {
		line = line.Str("code", refusal.DomainCode())
	}
	return line.Float64(FieldDurationMs, elapsedMs).Str(FieldResult, ResultNG).
		Str(FieldErrorClass, string(fault.ClassOf(err))).Err(err)
}

// WithOrderID returns a context whose log lines carry the order's id.
func WithOrderID(ctx context.Context, id string) context.Context {
	return withLoggerField(ctx, FieldOrderID, id)
}

// WithField returns a context whose log lines carry one more field.
func WithField(ctx context.Context, key, value string) context.Context {
	return withLoggerField(ctx, key, value)
}

func withLoggerField(ctx context.Context, key, value string) context.Context {
	parent := zerolog.Ctx(ctx)
	if parent.GetLevel() == zerolog.Disabled {
		return ctx
	}
	if p, ok := ctx.Value(spanlessKey{}).(*spanless); ok {
		return withSpan(ctx, &spanless{p.logger.With().Str(key, value).Logger(), p.traceID, p.spanID})
	}
	return parent.With().Str(key, value).Logger().WithContext(ctx)
}

type spanlessKey struct{}

// spanless is the logger of an operation without the ids of the span that it is in. zerolog
// cannot take a field back, and a span within the span has another id.
type spanless struct {
	logger          zerolog.Logger
	traceID, spanID string
}

// withSpanFields returns a context whose log lines carry the ids of a span.
func withSpanFields(ctx context.Context, span trace.SpanContext) context.Context {
	logger := *zerolog.Ctx(ctx)
	if logger.GetLevel() == zerolog.Disabled {
		return ctx
	}
	if p, ok := ctx.Value(spanlessKey{}).(*spanless); ok {
		logger = p.logger
	}
	return withSpan(ctx, &spanless{logger, span.TraceID().String(), span.SpanID().String()})
}

func withSpan(ctx context.Context, s *spanless) context.Context {
	ctx = context.WithValue(ctx, spanlessKey{}, s)
	return s.logger.With().Str(FieldTraceID, s.traceID).Str(FieldSpanID, s.spanID).Logger().WithContext(ctx)
}
