// Package command executes commands: it loads the stream, lets the pure rules decide, and appends the
// resulting events. It makes commands safe to repeat and to run concurrently, and logs each one from start to
// end. infra/DESIGN.md section 5 is the specification.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// Retries bounds how often a command decides again after losing a race for its stream.
var Retries = retry.Policy{Tries: 12, First: 4 * time.Millisecond, Longest: 256 * time.Millisecond, Jitter: 1}

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
	Retries retry.Policy   // the zero value is the package's Retries
	Cache   *Cache         // of states of long streams; nil: none
	Entries *audit.Entries // who sent a command, for the envelopes; nil: without the origin
	// Allow returns nil as long as this installation may acknowledge commands. It is asked before a command, and
	// again before its success is told, also that of a repeated one. Nil: always.
	Allow func() error
}

// Request is one command for one aggregate.
type Request[C model.Command] struct {
	ID      string // of the aggregate; "" if the command names it, or to create one
	Command C
	Key     string // the client's Idempotency-Key, unique per caller; generated if empty

	// Owner restricts the command to an aggregate of this caller: another's is as good as not there. "" does not
	// restrict it.
	Owner string

	// Known is the aggregate's stream from its first event on, as far as the caller has it; nil has it loaded. A
	// command is refused, or found to ask for nothing, only on a stream that was loaded for it.
	Known []event.Event

	// Complete adds what the rules need and the client does not send, such as what another aggregate says. It
	// is not called for a command that was executed before. Its errors are those of the command. May be nil.
	Complete func(context.Context, C) (C, error)
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
	Events   []event.Event // none if all that the command asks for is done already
	Repeated bool          // the command had been executed before; no events were appended

	// History is the whole stream as the command found or left it; nil if it was not read from its beginning. It
	// goes beyond Version if others changed the aggregate since a command that is repeated.
	History []event.Event
}

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
	p := prepared[C]{Request: r, name: r.Command.CommandName(), stream: d.Kind.Stream(r.ID), hash: hash}
	return observed(ctx, h, p, func(ctx context.Context) (Result[S], error) {
		if err := h.allowed(); err != nil {
			return Result[S]{}, err
		}
		result, err := execute(ctx, h, d, p)
		if err == nil {
			err = h.allowed() // its events may be there all the same: the caller must repeat the command
		}
		return result, err
	})
}

func (h *Handler) allowed() error {
	if h.Allow == nil {
		return nil
	}
	return h.Allow()
}

// Load returns the state of one aggregate and its version, 0 if it has no events.
func Load[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], id string) (state S, version uint64, err error) {
	stream := d.Kind.Stream(id)
	history, err := observedStreams{h.Streams}.Load(ctx, stream, 0)
	if err != nil {
		return state, 0, fmt.Errorf("loading %s: %w", stream, err)
	}
	if state, err = fold(d, state, history); err != nil {
		return state, 0, unfoldable{err}
	}
	return state, uint64(len(history)), nil
}

// execute tries a command until it has not lost a race for its stream.
func execute[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C]) (result Result[S], err error) {
	if r.Key == "" {
		r.Key = h.NewID()
	}
	tries := 0
	err = retry.Do(ctx, cmp.Or(h.Retries, Retries), func() (bool, error) {
		if tries++; tries > 1 {
			retried(ctx, r.name)
			r.Known = nil
		}
		result, err = tryOnce(ctx, h, d, r)
		if !errors.Is(err, eventstore.ErrConflict) {
			return false, err
		}
		lostRace(ctx, r.name, r.stream, tries)
		return true, fault.UnavailableFor(fmt.Errorf("%s: others kept changing %s, %d tries were lost", r.name, r.stream, tries), time.Second)
	})
	return result, err
}

func tryOnce[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C]) (Result[S], error) {
	state, version, history, first, err := stand(ctx, h, d, r)
	if first != nil {
		first.History = history
		return *first, err
	}
	if err != nil {
		return Result[S]{}, err
	}
	if version > 0 && foreign(d, r, state) {
		return Result[S]{}, hidden(d, r.Command)
	}
	if r.Complete != nil {
		if r.Command, err = r.Complete(ctx, r.Command); err != nil {
			return Result[S]{}, err
		}
	}
	payloads, err := d.Decide(state, r.Command)
	if len(payloads) == 0 && r.Known != nil {
		r.Known = nil // it may be old
		return tryOnce(ctx, h, d, r)
	}
	if err != nil {
		return Result[S]{}, err
	}
	if len(payloads) == 0 {
		return Result[S]{State: state, Version: version, History: history}, nil
	}
	events, err := h.envelopes(ctx, r.name, r.stream, r.Key, r.hash, payloads)
	if err != nil {
		return Result[S]{}, err
	}
	if events, err = h.record(ctx, r.stream, version, events); err != nil {
		h.Cache.doubt(r.stream, version)
		return Result[S]{}, fmt.Errorf("appending to %s: %w", r.stream, err)
	}
	result, err := outcome(d, state, version, events)
	if err == nil {
		h.Cache.keep(r.stream, result.State, result.Version, events, d.Snapshots != nil)
		store(ctx, h.Cache, d, version, result)
		if uint64(len(history)) == version {
			result.History = slices.Concat(history, events)
		}
	}
	return result, err
}

// foreign reports whether a command changes what it may not: an aggregate that another caller owns. One that
// begins aggregates is left to the rules, which say that the id is taken.
func foreign[S any, C model.Command](d model.Decider[S, C], r prepared[C], state S) bool {
	if _, begins := any(r.Command).(model.Creating[C]); begins || r.Owner == "" {
		return false
	}
	return d.Owner == nil || d.Owner(state) != r.Owner
}

// hidden returns the refusal of a command for an aggregate that is not there.
func hidden[S any, C model.Command](d model.Decider[S, C], c C) error {
	var none S
	if _, err := d.Decide(none, c); err != nil {
		return err
	}
	return fmt.Errorf("%s begins an aggregate without being a creating command", c.CommandName())
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
	var state S
	before := last + 1 - count
	state, err := fold(d, state, history[:before])
	if err != nil {
		return Result[S]{}, true, unfoldable{err}
	}
	result, err := outcome(d, state, uint64(before), history[before:last+1])
	if err != nil {
		err = unfoldable{err}
	}
	result.Repeated = true
	return result, true, err
}

// outcome returns the result of a command whose events follow the first events of a stream, which led to
// state.
func outcome[S any, C model.Command](d model.Decider[S, C], state S, before uint64, events []event.Event) (Result[S], error) {
	state, err := fold(d, state, events)
	if err != nil {
		return Result[S]{}, err
	}
	return Result[S]{State: state, Version: before + uint64(len(events)), Events: events}, nil
}

// fold applies events to the state before them, except tombstones, which change nothing.
func fold[S any, C model.Command](d model.Decider[S, C], state S, events []event.Event) (S, error) {
	for i := range events {
		if tombstone.Is(&events[i]) {
			continue
		}
		next, err := d.Evolve(state, &events[i])
		if err != nil {
			return state, fmt.Errorf("folding version %d of %s: %w", events[i].Version, events[i].Stream, err)
		}
		state = next
	}
	return state, nil
}
