package timeline

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/event"
)

// Operation is what one operation did to an aggregate, or was refused to do.
type Operation struct {
	At            event.Instant `json:"at"` // when the first thing known about it happened
	CorrelationID string        `json:"correlationId,omitempty"`
	Commands      []string      `json:"commands"`
	Result        string        `json:"result,omitempty"` // of the last command that has ended
	Code          string        `json:"code,omitempty"`
	ErrorClass    string        `json:"errorClass,omitempty"`
	Error         string        `json:"error,omitempty"`
	Events        []EventName   `json:"events"`
}

// EventName names an event of an operation.
type EventName struct {
	Type    string `json:"type"`
	Version uint64 `json:"version"`
	EventID string `json:"eventId"`
}

// Stream is the operations of one aggregate.
type Stream struct {
	Stream     string      `json:"stream"`
	Operations []Operation `json:"operations"` // newest last
	Notes      []string    `json:"notes,omitempty"`
}

// Stream finds the operations that changed a stream or tried to, but not those that only read it. It fails with
// ErrUnknown.
func (f *Finder) Stream(ctx context.Context, stream string) (Stream, error) {
	lines := newest[[]byte]{limit: f.Limit}
	err := f.Lines.OfStream(ctx, stream, func(raw []byte) error {
		l := readLine(raw, 0)
		if kind, _, _, ok := l.moment(); ok && kind == KindCommand && l.stream() == stream {
			lines.add(bytes.Clone(raw))
		}
		return nil
	})
	if err != nil {
		return Stream{}, fmt.Errorf("reading the log lines of %s: %w", stream, err)
	}
	histories, err := f.Streams.LoadMany(ctx, []string{stream})
	if err != nil {
		return Stream{}, fmt.Errorf("reading %s: %w", stream, err)
	}
	o := Stream{Stream: stream, Operations: operations(lines.all(), histories[stream])}
	if note := lines.note("log lines"); note != "" {
		o.Notes = append(o.Notes, note)
	}
	if len(o.Operations) == 0 {
		return Stream{}, fmt.Errorf("%s: %w", stream, ErrUnknown)
	}
	return o, nil
}

// operations groups commands and events by their correlation id. An event without one is its own group.
func operations(lines [][]byte, history []event.Event) []Operation {
	byID := map[string]*Operation{}
	var all []*Operation
	of := func(correlationID string, at event.Instant) *Operation {
		o := byID[correlationID]
		if o == nil || correlationID == "" {
			o = &Operation{At: at, CorrelationID: correlationID, Commands: []string{}, Events: []EventName{}}
			all, byID[correlationID] = append(all, o), o
		}
		o.At = min(o.At, at)
		return o
	}
	byOperation := map[string][][]byte{}
	var ids []string
	for _, raw := range lines {
		l := readLine(raw, 0)
		ids = with(ids, l.CorrelationID)
		byOperation[l.CorrelationID] = append(byOperation[l.CorrelationID], raw)
	}
	for _, id := range ids {
		for _, e := range entriesOf(byOperation[id]) {
			o := of(id, e.At)
			o.Commands = append(o.Commands, e.What)
			o.Result, o.Code, o.ErrorClass, o.Error = e.Result, e.Code, e.ErrorClass, e.Error
		}
	}
	for i := range history {
		e := &history[i]
		o := of(e.CorrelationID, e.OccurredAt)
		o.Events = append(o.Events, EventName{e.Type, e.Version, e.ID})
	}
	slices.SortStableFunc(all, func(a, b *Operation) int { return cmp.Compare(a.At, b.At) })
	sorted := make([]Operation, len(all))
	for i, o := range all {
		sorted[i] = *o
	}
	return sorted
}
