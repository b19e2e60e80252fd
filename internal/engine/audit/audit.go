// Package audit records who sent which command. An accepted command is recorded in the envelopes of its
// events (Command, Actor, Role, Route, Origin). A refused one has no events, so it becomes an event of its
// own, in a stream of the process and the day, which no other writer appends to. infra/DESIGN.md section 16 is the
// specification.
package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Kind is the kind of the streams of refused commands.
var Kind = event.Kind{Prefix: "audit-", Key: "log"}

// RefusedType is the name of the events of refused commands.
const RefusedType = "CommandRefused"

// refusedType registers it.
var refusedType = event.Define[Refused](Kind, 1)

// Refused is the payload of a refused command. Who sent it is in the envelope.
type Refused struct {
	Log  string `json:"log"`            // the day and the process: the id of the stream
	On   string `json:"on,omitempty"`   // path of what the command was about
	Code string `json:"code,omitempty"` // of the refusal
}

// EventType implements event.Payload.
func (Refused) EventType() string { return RefusedType }

// Decode reads the payload of an event.
func (r *Refused) Decode(e *event.Event) error {
	f := refusedType.Fields(e)
	r.Log, r.On, r.Code = f.ID(), f.Text("on"), f.Text("code")
	return f.Err()
}

// SubjectOf returns the subject of a caller: unknown callers share one a day.
func SubjectOf(actor string, at time.Time) string {
	if actor == "" {
		return subject.Anonymous(at)
	}
	return actor
}

// Entries fill in what an envelope says about who sent a command. A nil Box records no origin.
type Entries struct{ Box *subject.Box }

// Fill fills in the audit entry of an event, whose time and actor are set. words are the caller's own, if the
// command has any.
func (n *Entries) Fill(ctx context.Context, name, words string, e *event.Event) {
	o, caller := observe.OriginOf(ctx), observe.CallerOf(ctx)
	e.Command, e.Role, e.Route = name, caller.Role, o.Route
	if n == nil || n.Box == nil {
		return
	}
	sealed, err := n.Box.Seal(ctx, SubjectOf(e.Actor, e.OccurredAt.Time()), subject.Origin{Name: caller.Person, Address: o.Address, Program: o.Program, Words: words})
	if err != nil { // the command matters more than from where it came
		observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("audit:origin-not-recorded")
		return
	}
	e.Origin = sealed
}

// Recorder records refused commands. It is safe for concurrent use.
type Recorder struct {
	Streams  eventstore.Appender
	Entries  *Entries
	Instance string // of this process, unlike any other's
	Now      func() time.Time
	NewID    func() string

	mu      sync.Mutex
	day     string
	version uint64
}

// Refusal is a command that was refused.
type Refusal struct {
	Command string // name
	On      string // path of what it was about
	Code    string // of the refusal
}

// attempts bounds how often a record is tried that the store did not confirm.
const attempts = 3

// Refused records a refused command of the caller of ctx, who must have a name: others are only counted and
// logged. If it cannot be recorded, that is logged: the command was refused anyway.
func (r *Recorder) Refused(ctx context.Context, f Refusal) {
	if observe.CallerOf(ctx).Name == "" {
		return
	}
	if err := r.record(ctx, f); err != nil {
		observe.Logger(ctx).Error().Str(observe.FieldCommandName, f.Command).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("audit:not-recorded")
	}
}

func (r *Recorder) record(ctx context.Context, f Refusal) error {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if day := now.UTC().Format("2006-01-02"); day != r.day {
		r.day, r.version = day, 0
	}
	e, err := event.New(Refused{Log: r.day + "-" + r.Instance, On: f.On, Code: f.Code})
	if err != nil {
		return err
	}
	e.ID, e.OccurredAt, e.Stream = r.NewID(), event.InstantOf(now), Kind.Stream(r.day+"-"+r.Instance)
	e.CorrelationID, e.Actor, e.Traceparent = observe.CorrelationID(ctx), observe.CallerOf(ctx).Name, observe.Traceparent(ctx)
	r.Entries.Fill(ctx, f.Command, "", &e)
	return r.append(ctx, e)
}

// append appends to the stream of this process. A version that is taken is of an earlier try whose
// confirmation was lost: the record goes behind it, since twice is better than never.
func (r *Recorder) append(ctx context.Context, e event.Event) (err error) {
	for range attempts {
		err = r.Streams.Append(ctx, e.Stream, r.version, []event.Event{e})
		switch {
		case err == nil:
			r.version++
			return nil
		case errors.Is(err, eventstore.ErrConflict):
			r.version++
		case fault.ClassOf(err) != fault.Infra || ctx.Err() != nil:
			return fmt.Errorf("recording a refused command: %w", err)
		}
	}
	return fmt.Errorf("recording a refused command: %w", err)
}
