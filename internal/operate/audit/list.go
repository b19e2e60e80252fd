package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// The outcomes of a command.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// Entry is one command: who sent it, and what became of it.
type Entry struct {
	At            event.Instant `json:"at"`
	Command       string        `json:"command,omitempty"` // "" if it is from before there were entries
	Result        string        `json:"result"`            // Accepted or Refused
	Code          string        `json:"code,omitempty"`    // of the refusal
	Caller        string        `json:"caller,omitempty"`  // the opaque subject; "" if unknown
	Role          string        `json:"role,omitempty"`
	Route         string        `json:"route,omitempty"`
	On            string        `json:"on,omitempty"` // the stream, or of a refused command the path
	CorrelationID string        `json:"correlationId"`
	EventNumber   uint64        `json:"eventNumber"` // of the first event
	Events        int           `json:"events"`      // that the command led to

	subject.Origin
	Erased bool `json:"erased,omitempty"` // the subject was erased: the origin cannot be read any more
}

// Filter selects entries; empty fields select all.
type Filter struct {
	User, Command, Route, Result string
	Since, Until                 event.Instant
}

func (f *Filter) takes(e *Entry) bool {
	return (f.User == "" || e.Caller == f.User) && (f.Command == "" || strings.EqualFold(e.Command, f.Command)) &&
		(f.Route == "" || strings.Contains(e.Route, f.Route)) && (f.Result == "" || e.Result == f.Result) &&
		f.Since <= e.At && (f.Until == 0 || e.At < f.Until)
}

// Lister reads the entries from the log.
type Lister struct {
	Log *eventlog.Reader
	Box *subject.Box // decrypts origins
}

// List returns the entries that a filter selects, the oldest first.
func (l *Lister) List(ctx context.Context, f Filter) ([]Entry, error) {
	g := &gathering{Lister: l, filter: f, at: map[string]int{}, seen: map[string]bool{}}
	head, err := l.Log.WholeHead(ctx)
	if err == nil {
		err = l.Log.Manifests(ctx, 0, head.Number, func(m *eventlog.Manifest) error {
			if m.NewestAt < f.Since || f.Until > 0 && m.OldestAt >= f.Until {
				return nil
			}
			return l.Log.Events(ctx, m.First-1, m.Last, func(number uint64, e *event.Event) error { return g.add(ctx, number, e) })
		})
	}
	if err != nil {
		return nil, fmt.Errorf("listing commands: %w", err)
	}
	slices.SortStableFunc(g.entries, func(a, b Entry) int { return int(a.At - b.At) })
	return g.entries, nil
}

// gathering is one call of List.
type gathering struct {
	*Lister
	filter  Filter
	entries []Entry
	at      map[string]int  // the entries of commands with several events
	seen    map[string]bool // events that the log may repeat
}

func (g *gathering) add(ctx context.Context, number uint64, e *event.Event) error {
	entry, ok := entryOf(e)
	if !ok || !g.filter.takes(&entry) {
		return nil
	}
	version := fmt.Sprintf("%s@%d", e.Stream, e.Version)
	if g.seen[version] {
		return nil
	}
	g.seen[version] = true
	command := e.Stream + "\x00" + e.CommandID + "\x00" + e.Actor
	if i, ok := g.at[command]; ok && entry.Result == Accepted {
		g.entries[i].Events++
		return nil
	}
	entry.EventNumber = number
	if e.Origin != "" {
		var err error
		entry.Origin, err = g.Box.Open(ctx, audit.SubjectOf(e.Actor, e.OccurredAt.Time()), e.Origin)
		if entry.Erased = errors.Is(err, subject.ErrErased) || errors.Is(err, subject.ErrNoKey); err != nil && !entry.Erased {
			return err
		}
	}
	g.at[command] = len(g.entries)
	g.entries = append(g.entries, entry)
	return nil
}

// entryOf returns the entry of the command that an event is of, without its origin; false if it is of none,
// as an imported event without a command.
func entryOf(e *event.Event) (Entry, bool) {
	own := e.Clone()
	entry := Entry{
		At: own.OccurredAt, Command: own.Command, Result: Accepted, Caller: own.Actor, Role: own.Role, Route: own.Route,
		On: own.Stream, CorrelationID: own.CorrelationID, Events: 1,
	}
	if own.Type == audit.RefusedType {
		var refused audit.Refused
		if err := refused.Decode(&own); err != nil {
			refused.Code = err.Error()
		}
		entry.Result, entry.On, entry.Code, entry.Events = Refused, refused.On, refused.Code, 0
		return entry, true
	}
	return entry, own.Command != "" || own.CommandHash != ""
}
