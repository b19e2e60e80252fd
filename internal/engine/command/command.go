// Package command executes commands: it loads the stream, lets the pure rules decide, and appends the
// resulting events. It makes commands safe to repeat and to run concurrently, and logs each one from start to
// end. infra/DESIGN.md section 5 is the specification.
package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// maxAttempts bounds how often a command decides again after losing a race for its stream.
const maxAttempts = 12

// Streams is the part of the event store that the handler uses.
type Streams interface {
	eventstore.Appender
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
}

// Handler executes commands. It is safe for concurrent use.
type Handler struct {
	Streams Streams
	Now     func() time.Time
	NewID   func() string
}

// Request is one command for one aggregate.
type Request[C model.Command] struct {
	ID      string // of the aggregate; "" if the command names it, or to create one
	Command C
	Key     string // the client's Idempotency-Key, unique per caller; generated if empty
}

// prepared is a request with the values that the engine derives from it.
type prepared[C model.Command] struct {
	Request[C]
	name, stream string
	hash         string // of what the client sent, to detect a key reused for another command
}

// Result is the outcome of a command.
type Result[S any] struct {
	State    S // right after the command's own events
	Version  uint64
	Events   []event.Event
	Repeated bool // the command had been executed before; no events were appended
}

// The codes of this package's refusals. They are part of the HTTP interface: never change one.
const (
	CodeKeyReused  = "command/idempotency-key-reused"
	CodeUnfoldable = "command/stream-unfoldable"
)

// unfoldable means that the events of a stream do not follow from one another, so that no rule can decide on
// it. Its text is for the client; the cause is for the log.
type unfoldable struct{ cause error }

func (unfoldable) Error() string {
	return "the recorded events contradict one another: ask an operator to look at them"
}

// DomainCode makes it a refusal: the command will not succeed, however often it is sent.
func (unfoldable) DomainCode() string { return CodeUnfoldable }
func (e unfoldable) Unwrap() error    { return e.cause }

// ErrKeyReused means that an Idempotency-Key came with another command than the first time.
var ErrKeyReused error = keyReused{}

type keyReused struct{}

func (keyReused) Error() string {
	return "this Idempotency-Key was used for another command: use a new key for a new command"
}

// DomainCode makes the reuse of a key a refusal, like those of the rules.
func (keyReused) DomainCode() string { return CodeKeyReused }

// Execute executes one command. Its errors are the decider's refusals, ErrKeyReused, and those of the store;
// after too many lost races, an infrastructure error.
func Execute[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r Request[C]) (Result[S], error) {
	hash, err := Hash(r.Command.CommandName(), r.Command)
	if err != nil {
		return Result[S]{}, err
	}
	if c, ok := any(r.Command).(model.Creating[C]); ok {
		if r.ID = c.ID(); r.ID == "" {
			r.ID = h.makeID(observe.CallerOf(ctx).Name, r.Key)
			r.Command = c.WithID(r.ID)
		}
	}
	ctx = observe.WithField(ctx, d.Kind.Key, r.ID)
	return run(ctx, h, d, prepared[C]{Request: r, name: r.Command.CommandName(), stream: d.Kind.Stream(r.ID), hash: hash})
}

// run executes a command and logs it.
func run[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C]) (Result[S], error) {
	started := h.Now()
	ctx, span := observe.Start(ctx, r.name, observe.Internal)
	defer span.End()
	logger := observe.Logger(ctx).With().Str(observe.FieldCommandName, r.name).Str(observe.FieldStream, r.stream).Logger()
	logger.Info().Msg("command:start")
	result, err := execute(ctx, h, d, r)
	took := h.Now().Sub(started)
	appended := len(result.Events)
	if result.Repeated {
		appended = 0
		observe.MetricsOf(ctx).Repeated(ctx, r.name)
	}
	observe.MetricsOf(ctx).Command(ctx, r.name, took, appended, err)
	elapsed := float64(took.Microseconds()) / 1000
	noted(span, r.name, r.stream, result.Version, result.Repeated, err)
	if err != nil {
		line := logger.Warn()
		if fault.ClassOf(err) != fault.Domain {
			line = logger.Error()
		}
		if damaged := (unfoldable{}); errors.As(err, &damaged) {
			line = line.AnErr("cause", damaged.cause)
		}
		observe.Failed(line, elapsed, err).Msg("command:failed")
		return result, err
	}
	line := logger.Info().Float64(observe.FieldDurationMs, elapsed).Str(observe.FieldResult, observe.ResultOK).
		Uint64(observe.FieldVersion, result.Version).Bool("repeated", result.Repeated)
	if n := len(result.Events); n > 0 {
		line = line.Str(observe.FieldEventID, result.Events[n-1].ID)
	}
	line.Msg("command:success")
	return result, nil
}

// noted sets all of a command's span attributes at once, which costs less than one at a time.
func noted(span observe.Span, name, stream string, version uint64, repeated bool, err error) {
	if !span.Recorded() {
		return
	}
	all := []attribute.KeyValue{attribute.String(observe.AttrCommand, name), attribute.String(observe.AttrStream, stream)}
	if err == nil {
		all = append(all, attribute.Int(observe.AttrVersion, int(version)), attribute.Bool(observe.AttrRepeated, repeated))
	}
	span.Set(all...).Failed(err)
}

func execute[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C]) (Result[S], error) {
	if r.Key == "" {
		r.Key = h.NewID()
	}
	for attempt := range maxAttempts {
		if attempt > 0 {
			if err := backOff(ctx, attempt); err != nil {
				return Result[S]{}, err
			}
			observe.MetricsOf(ctx).Retried(ctx, r.name)
		}
		result, err := tryOnce(ctx, h, d, r)
		if !errors.Is(err, eventstore.ErrConflict) {
			return result, err
		}
		observe.MetricsOf(ctx).Conflict(ctx, r.name)
		observe.Logger(ctx).Info().Str(observe.FieldCommandName, r.name).Str(observe.FieldStream, r.stream).Int("attempt", attempt+1).Msg("command:conflict")
	}
	return Result[S]{}, fault.UnavailableFor(fmt.Errorf("%s: others kept changing %s, %d tries were lost", r.name, r.stream, maxAttempts), time.Second)
}

func tryOnce[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C]) (Result[S], error) {
	history, err := h.load(ctx, r.stream)
	if err != nil {
		return Result[S]{}, fmt.Errorf("loading %s: %w", r.stream, err)
	}
	if first, ok, err := repeated(d, r, observe.CallerOf(ctx).Name, history); ok || err != nil {
		return first, err
	}
	state, err := fold(d, history)
	if err != nil {
		return Result[S]{}, unfoldable{err}
	}
	payloads, err := d.Decide(state, r.Command)
	if err != nil {
		return Result[S]{}, err
	}
	events, err := h.envelopes(ctx, r.stream, r.Key, r.hash, payloads)
	if err != nil {
		return Result[S]{}, err
	}
	err = h.append(ctx, r.stream, uint64(len(history)), events)
	if fault.ClassOf(err) == fault.Infra && ctx.Err() == nil {
		if after, ok := h.appended(ctx, r.stream, len(history), events); ok {
			return outcome(d, after, len(events), false)
		}
	}
	if err != nil {
		return Result[S]{}, fmt.Errorf("appending to %s: %w", r.stream, err)
	}
	return outcome(d, append(history, events...), len(events), false)
}

// appended finds out whether events whose append the store failed to confirm are in the stream after all,
// after the first expected ones, and returns the stream up to them. If it cannot tell either, the caller must
// send the command again with its key.
func (h *Handler) appended(ctx context.Context, stream string, expected int, events []event.Event) ([]event.Event, bool) {
	after, err := h.load(ctx, stream)
	found := err == nil && len(after) >= expected+len(events) && after[expected].ID == events[0].ID
	observe.Logger(ctx).Warn().Str(observe.FieldStream, stream).Bool("appended", found).Err(err).Msg("command:append-unconfirmed")
	if !found {
		return nil, false
	}
	return after[:expected+len(events)], true
}

func (h *Handler) load(ctx context.Context, stream string) ([]event.Event, error) {
	ctx, part := observe.StartPart(ctx, "load")
	history, err := h.Streams.Load(ctx, stream, 0)
	part.Over(ctx, err).Int(observe.AttrEvents, len(history)).End()
	return history, err
}

// append appends events. Losing the race for a stream is not recorded as a failure of the store.
func (h *Handler) append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	ctx, part := observe.StartPart(ctx, "append")
	err := h.Streams.Append(ctx, stream, expected, events)
	failure, lost := err, errors.Is(err, eventstore.ErrConflict)
	if lost {
		failure = nil
	}
	if span := part.Over(ctx, failure); span.Recorded() {
		span.Set(attribute.Int(observe.AttrEvents, len(events)), attribute.Int(observe.AttrVersion, int(expected)+len(events)))
		if lost {
			span.Bool("gakushoku.conflict", true)
		}
		span.End()
	}
	return err
}

// repeated returns the first outcome if the stream already holds events of this command: with the same id,
// from the same caller, since two callers may have chosen the same id.
func repeated[S any, C model.Command](d model.Decider[S, C], r prepared[C], caller string, history []event.Event) (Result[S], bool, error) {
	last, count := 0, 0
	for i := range history {
		if history[i].CommandID == r.Key && history[i].Actor == caller {
			last, count = i, count+1
		}
	}
	if count == 0 {
		return Result[S]{}, false, nil
	}
	if history[last].CommandHash != r.hash {
		return Result[S]{}, true, ErrKeyReused
	}
	result, err := outcome(d, history[:last+1], count, true)
	if err != nil {
		err = unfoldable{err}
	}
	return result, true, err
}

// outcome returns the result of a command whose events are the last count of history.
func outcome[S any, C model.Command](d model.Decider[S, C], history []event.Event, count int, again bool) (Result[S], error) {
	state, err := fold(d, history)
	if err != nil {
		return Result[S]{}, err
	}
	return Result[S]{State: state, Version: uint64(len(history)), Events: history[len(history)-count:], Repeated: again}, nil
}

func fold[S any, C model.Command](d model.Decider[S, C], history []event.Event) (S, error) {
	var state S
	for i := range history {
		next, err := d.Evolve(state, &history[i])
		if err != nil {
			return state, fmt.Errorf("folding version %d of %s: %w", history[i].Version, history[i].Stream, err)
		}
		state = next
	}
	return state, nil
}

// envelopes puts payloads into envelopes, with the context's data about the operation.
func (h *Handler) envelopes(ctx context.Context, stream, commandID, hash string, payloads []event.Payload) ([]event.Event, error) {
	now := event.InstantOf(h.Now())
	events := make([]event.Event, len(payloads))
	for i, p := range payloads {
		e, err := event.New(p)
		if err != nil {
			return nil, err
		}
		e.ID, e.OccurredAt, e.Stream = h.NewID(), now, stream
		e.CorrelationID, e.CausationID = observe.CorrelationID(ctx), commandID
		e.CommandID, e.CommandHash = commandID, hash
		e.Actor, e.Traceparent = observe.CallerOf(ctx).Name, observe.Traceparent(ctx)
		events[i] = e
	}
	return events, nil
}

// backOff waits a random time whose limit grows with each attempt ("full jitter"), so that commands that
// collided once do not collide again.
func backOff(ctx context.Context, attempt int) error {
	limit := 2 * time.Millisecond << min(attempt, 7)
	return wait.For(ctx, rand.N(limit))
}
