package replica

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Kind is the kind of the streams of fences: each has one event.
var Kind = event.Kind{Prefix: "fence-", Key: "fence", Types: "Log"}

var fencedType = event.Define[Fenced](Kind, 1)

// Fenced is the payload of a fence: the event of a promotion. It is the only event of a segment that only the
// promoted installation could put there, so the log before it has ended for every other one.
type Fenced struct {
	Fence string `json:"fence"`        // the id of the stream
	By    string `json:"by,omitempty"` // who promotes, for people
}

// EventType implements event.Payload.
func (Fenced) EventType() string { return "LogFenced" }

// Decode reads the payload of an event.
func (f *Fenced) Decode(e *event.Event) error {
	fields := fencedType.Fields(e)
	f.Fence, f.By = fields.ID(), fields.Text("by")
	return fields.Err()
}

// isFence reports whether a segment of a place is a fence.
func isFence(ctx context.Context, place eventlog.BlobReader, m *eventlog.Manifest) (bool, error) {
	if m.Count() > 1 {
		return false, nil
	}
	data, err := readSegment(ctx, place, m)
	if err != nil {
		return false, err
	}
	events, err := eventsOf(data, m)
	return err == nil && events[0].Type == fencedType.Name, err
}

// fence returns the event of a promotion.
func fence(id, by string, at event.Instant) (event.Event, error) {
	e, err := event.New(Fenced{Fence: id, By: by})
	if err != nil {
		return e, fmt.Errorf("making a fence: %w", err)
	}
	e.ID, e.OccurredAt, e.Stream, e.Version, e.CorrelationID = id, at, Kind.Stream(id), 1, id
	return e, nil
}
