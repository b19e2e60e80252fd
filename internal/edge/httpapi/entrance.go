package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// entrance wraps every request: it sets correlation id, trace and logger, logs the start and the
// end, and responds even if a handler panics.
func (s *server) entrance(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.Now()
		r, logger, span := s.admit(w, r)
		level := zerolog.InfoLevel
		if strings.HasPrefix(r.URL.Path, "/health") {
			level = zerolog.DebugLevel // polled every few seconds
		}
		logger.WithLevel(level).Msg("request:start")
		out := &recorder{ResponseWriter: w}
		defer func() {
			recovered := recover()
			if recovered != nil && recovered != http.ErrAbortHandler {
				out.panicked(&logger, r, recovered)
			}
			took := s.Now().Sub(started)
			out.end(&logger, level, float64(took.Microseconds())/1000)
			out.measure(s.Metrics, r, took)
			out.trace(span, r)
			if recovered == http.ErrAbortHandler {
				panic(recovered)
			}
		}()
		next.ServeHTTP(out, r)
	})
}

// admit returns the request with the context of its operation, and the operation's logger. It also sets
// the headers that every response has.
func (s *server) admit(w http.ResponseWriter, r *http.Request) (*http.Request, zerolog.Logger, observe.Span) {
	ctx := r.Context()
	if observe.Logger(ctx).GetLevel() == zerolog.Disabled {
		ctx = observe.WithLogger(ctx, s.Logger)
	}
	id, received := correlationID(r.Header)
	if s.Metrics != nil {
		ctx = observe.WithMetrics(ctx, s.Metrics)
	}
	ctx = s.withTracer(observe.WithCorrelationID(ctx, id), r)
	ctx, span := observe.StartRemote(ctx, r.Header, "HTTP", observe.Server)
	r = r.WithContext(ctx)
	setHeaders(w.Header(), id)
	s.tellFollowing(w.Header())
	logger := observe.Logger(ctx).With().Str("method", clip(r.Method)).Str("path", clip(r.URL.Path)).Logger()
	if received != "" {
		logger.Warn().Str("received", received).Msg("request:correlation-id-replaced")
	}
	return r, logger, span
}

// setHeaders sets the headers that every response has.
func setHeaders(h http.Header, correlationID string) {
	h.Set(observe.HeaderCorrelationID, correlationID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// withTracer sets the tracer of the process, unless the context has one. Health checks are not traced,
// since they are polled every few seconds.
func (s *server) withTracer(ctx context.Context, r *http.Request) context.Context {
	current := observe.TracerOf(ctx)
	switch {
	case strings.HasPrefix(r.URL.Path, "/health"):
		if current != nil {
			return observe.WithTracer(ctx, nil)
		}
	case current == nil && s.Tracer != nil:
		return observe.WithTracer(ctx, s.Tracer)
	}
	return ctx
}

// correlationID returns the caller's id, or a new one. If the caller's id is invalid, received is that id
// in a form that is safe to log.
func correlationID(h http.Header) (id, received string) {
	values := h.Values(observe.HeaderCorrelationID)
	switch {
	case len(values) == 0:
		return observe.NewID(), ""
	case len(values) == 1 && observe.ValidCorrelationID(values[0]):
		return values[0], ""
	}
	joined := strings.Join(values, ", ")
	const shown = 64
	return observe.NewID(), fmt.Sprintf("%s (%d bytes)", strconv.QuoteToASCII(joined[:min(len(joined), shown)]), len(joined))
}

// recorder is a ResponseWriter that records what the request's log line needs.
type recorder struct {
	http.ResponseWriter
	status  int
	code    string // of the problem; "" if there was none
	err     error
	planned bool // an intended 503 while the server stops: neither a failure nor an alarm
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap returns the underlying writer for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// note records the problem of a response.
func note(w http.ResponseWriter, code string, err error) {
	if out, ok := w.(*recorder); ok {
		out.code, out.err = code, err
	}
}

// panicked responds for a handler that panicked.
func (w *recorder) panicked(logger *zerolog.Logger, r *http.Request, recovered any) {
	err := fmt.Errorf("the handler panicked: %v", recovered)
	logger.Error().Str(observe.FieldErrorClass, string(fault.Bug)).Err(err).Bytes("stack", debug.Stack()).Msg("request:panic")
	if w.status == 0 {
		writeError(w, r, err)
		return
	}
	note(w, codeInternal, err)
}

// end logs request:end. It includes the text of errors that the operator must fix.
func (w *recorder) end(logger *zerolog.Logger, level zerolog.Level, elapsed float64) {
	if w.status == 0 {
		w.status = http.StatusOK // what net/http sends for a handler that writes nothing
	}
	result := observe.ResultOK
	if w.status >= http.StatusBadRequest && !w.planned {
		result = observe.ResultNG
	}
	if w.status >= http.StatusInternalServerError && !w.planned {
		level = zerolog.ErrorLevel
	}
	line := logger.WithLevel(level).Int("status", w.status).Float64(observe.FieldDurationMs, elapsed).Str(observe.FieldResult, result)
	if w.err != nil {
		class := fault.ClassOf(w.err)
		line = line.Str("code", w.code).Str(observe.FieldErrorClass, string(class))
		if class != fault.Domain {
			line = line.Err(w.err)
		}
	}
	line.Msg("request:end")
}
