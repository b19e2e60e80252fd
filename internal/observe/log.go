package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/fault"
)

// The fields of log lines (infra/DESIGN.md section 10). Operators search for them: never rename one.
const (
	FieldService       = "service"
	FieldFunction      = "function"
	FieldCorrelationID = "correlationId"
	FieldTraceID       = "trace_id"
	FieldSpanID        = "span_id"
	FieldCommandName   = "commandName"
	FieldQueryName     = "queryName"
	FieldStream        = "stream"
	FieldVersion       = "version"
	FieldEventID       = "eventId"
	FieldEventType     = "type"
	FieldEventNumber   = "eventNumber"
	FieldDurationMs    = "durationMs"
	FieldResult        = "result"
	FieldErrorClass    = "errorClass"
	FieldProjection    = "projection"
	FieldProcess       = "process"
	FieldStep          = "step"
)

// The values of FieldResult.
const (
	ResultOK = "OK"
	ResultNG = "NG"
)

// timestampLayout is RFC 3339 in UTC with milliseconds, as in events.
const timestampLayout = "2006-01-02T15:04:05.000Z"

func init() {
	// zerolog keeps its field names in package variables. They are set once, before any logger exists.
	zerolog.TimestampFieldName = "timestamp"
	zerolog.MessageFieldName = "message"
	zerolog.LevelFieldName = "level"
	zerolog.ErrorFieldName = "error"
	zerolog.TimeFieldFormat = timestampLayout
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
}

// NewLogger returns the logger of a process. It writes JSON lines of level and above to w. If a field is
// set twice, the line has its last value.
func NewLogger(w io.Writer, level zerolog.Level, function string) zerolog.Logger {
	return zerolog.New(lastOfKey{w}).Level(level).With().Timestamp().Str(FieldService, "gakushoku").Str(FieldFunction, function).Logger()
}

// ParseLevel parses a level such as "debug" or "info".
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

// WithLogger returns a context with the logger of the process. Its lines carry the ids of the span of ctx,
// if there is one.
func WithLogger(ctx context.Context, logger zerolog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, &operation{fields: &logger, span: operationOf(ctx).span})
}

// Logger returns the logger of the operation of ctx. Without one it writes nothing.
func Logger(ctx context.Context) *zerolog.Logger { return operationOf(ctx).logger() }

// Failed adds the fields of a failed operation to a line: duration, result, class of the error, code of a
// refusal, and the error.
func Failed(line *zerolog.Event, elapsedMs float64, err error) *zerolog.Event {
	var refusal fault.DomainError
	if errors.As(err, &refusal) {
		line = line.Str("code", refusal.DomainCode())
	}
	return line.Float64(FieldDurationMs, elapsedMs).Str(FieldResult, ResultNG).
		Str(FieldErrorClass, string(fault.ClassOf(err))).Err(err)
}

// WithField returns a context whose log lines carry one more field.
func WithField(ctx context.Context, key, value string) context.Context {
	return withLoggerField(ctx, key, value)
}

func withLoggerField(ctx context.Context, key, value string) context.Context {
	parent := operationOf(ctx)
	if parent.fields.GetLevel() == zerolog.Disabled {
		return ctx
	}
	fields := parent.fields.With().Str(key, value).Logger()
	return context.WithValue(ctx, loggerKey{}, &operation{fields: &fields, span: parent.span})
}

// withSpanFields returns a context whose log lines carry the ids of a span.
func withSpanFields(ctx context.Context, span trace.SpanContext) context.Context {
	parent := operationOf(ctx)
	if parent.fields.GetLevel() == zerolog.Disabled {
		return ctx
	}
	return context.WithValue(ctx, loggerKey{}, &operation{fields: parent.fields, span: span})
}

type loggerKey struct{}

// operation holds the fields of an operation's lines. The ids of its span are added when the first line
// is written: zerolog cannot remove a field, inner spans have other ids, and most spans have no lines.
type operation struct {
	fields *zerolog.Logger // all but the ids of the span
	span   trace.SpanContext
	once   sync.Once
	whole  *zerolog.Logger
}

var silent = func() *operation {
	nobody := zerolog.Nop()
	return &operation{fields: &nobody}
}()

func operationOf(ctx context.Context) *operation {
	if o, ok := ctx.Value(loggerKey{}).(*operation); ok {
		return o
	}
	return silent
}

func (o *operation) logger() *zerolog.Logger {
	if !o.span.IsValid() {
		return o.fields
	}
	o.once.Do(func() {
		whole := o.fields.With().Str(FieldTraceID, o.span.TraceID().String()).Str(FieldSpanID, o.span.SpanID().String()).Logger()
		o.whole = &whole
	})
	return o.whole
}
