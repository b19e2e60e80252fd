package command

import (
	"context"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// record appends events and returns them as they are stored. If the store fails to confirm, it looks for them.
func (h *Handler) record(ctx context.Context, stream string, expected uint64, events []event.Event) ([]event.Event, error) {
	err := observedStreams{h.Streams}.Append(ctx, stream, expected, events)
	if fault.ClassOf(err) == fault.Infra && ctx.Err() == nil {
		if stored, ok := h.appended(ctx, stream, expected, events); ok {
			return stored, nil
		}
	}
	return events, err
}

// appended finds out whether events whose append the store failed to confirm are in the stream after all,
// after the first expected ones, and returns them. If it cannot tell either, the caller must
// send the command again with its key.
func (h *Handler) appended(ctx context.Context, stream string, expected uint64, events []event.Event) ([]event.Event, bool) {
	after, err := observedStreams{h.Streams}.Load(ctx, stream, expected)
	found := err == nil && len(after) >= len(events) && after[0].ID == events[0].ID
	unconfirmed(ctx, stream, found, err)
	if !found {
		return nil, false
	}
	return after[:len(events)], true
}

// envelopes puts payloads into envelopes, with the context's data about the operation.
func (h *Handler) envelopes(ctx context.Context, name, stream, commandID, hash string, payloads []event.Payload) ([]event.Event, error) {
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
		words := ""
		if c, ok := p.(model.Confiding); ok {
			words = c.Words()
		}
		h.Entries.Fill(ctx, name, words, &e)
		events[i] = e
	}
	return events, nil
}
