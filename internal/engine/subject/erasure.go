package subject

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// erasures is the kind of the one stream of tombstones. They are in the log, so a restore of any part that
// brings keys back destroys them again.
var erasures = event.Kind{Prefix: "erasures-", Key: "list"}

// everybody is the id of that stream.
const everybody = "all"

// ErasedType is the name of the events that tell of an erasure.
const ErasedType = "SubjectErased"

var erasedType = event.Define[Erased](erasures, 1)

// Erased is the payload of a tombstone in the log.
type Erased struct {
	List    string        `json:"list"`
	Subject string        `json:"subject"`
	At      event.Instant `json:"at"`
}

// EventType implements event.Payload.
func (Erased) EventType() string { return ErasedType }

// Decode reads the payload of an event.
func (e *Erased) Decode(stored *event.Event) error {
	f := erasedType.Fields(stored)
	e.List, e.Subject, e.At = f.ID(), f.Required("subject"), f.Instant("at")
	return f.Err()
}

// Streams is the part of the event store that erasures use.
type Streams interface {
	eventstore.Appender
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
}

// Eraser destroys keys and leaves tombstones.
type Eraser struct {
	Keys    Keys
	Streams Streams
	Now     func() time.Time
	NewID   func() string
}

// Erase destroys the key of a subject, and leaves a tombstone with the keys and one in the log. It may be
// repeated, also after a failure part-way, and then changes nothing. first says whether this call destroyed
// the key.
func (r *Eraser) Erase(ctx context.Context, who string) (t Tombstone, first bool, err error) {
	if t, first, err = r.Keys.Erase(ctx, who, event.InstantOf(r.Now())); err == nil {
		err = r.record(ctx, t)
	}
	if err != nil {
		return t, first, fmt.Errorf("erasing %s: %w", who, err)
	}
	return t, first, nil
}

// recordTries bounds how often a tombstone is tried to be recorded while others record theirs.
const recordTries = 20

func (r *Eraser) record(ctx context.Context, t Tombstone) error {
	for range recordTries {
		recorded, history, err := r.recorded(ctx)
		if err != nil || recorded[t.Subject] {
			return err
		}
		e, err := event.New(Erased{List: everybody, Subject: t.Subject, At: t.At})
		if err != nil {
			return err
		}
		e.ID, e.OccurredAt, e.Stream, e.CorrelationID = r.NewID(), t.At, erasures.Stream(everybody), r.NewID()
		if err = r.Streams.Append(ctx, e.Stream, history, []event.Event{e}); !errors.Is(err, eventstore.ErrConflict) {
			return err
		}
	}
	return fault.Unavailable(errors.New("others keep erasing subjects: try again"))
}

// recorded returns the subjects with a tombstone in the log, and how many events their stream has.
func (r *Eraser) recorded(ctx context.Context) (map[string]bool, uint64, error) {
	return recorded(ctx, r.Streams)
}

// Tombstones returns the subjects with a tombstone in the log.
func Tombstones(ctx context.Context, streams Streams) (map[string]bool, error) {
	all, _, err := recorded(ctx, streams)
	return all, err
}

func recorded(ctx context.Context, streams Streams) (map[string]bool, uint64, error) {
	history, err := streams.Load(ctx, erasures.Stream(everybody), 0)
	if err != nil {
		return nil, 0, err
	}
	all := map[string]bool{}
	for i := range history {
		var e Erased
		if err := e.Decode(&history[i]); err != nil {
			return nil, 0, err
		}
		all[e.Subject] = true
	}
	return all, uint64(len(history)), nil
}

// Honour destroys the keys of all subjects with a tombstone in the log: an older copy of the keys may have
// been put back. It returns how many it destroyed.
func (r *Eraser) Honour(ctx context.Context) (destroyed int, err error) {
	recorded, _, err := r.recorded(ctx)
	if err != nil {
		return 0, fmt.Errorf("destroying the keys of erased subjects: %w", err)
	}
	for who := range recorded {
		_, first, err := r.Keys.Erase(ctx, who, event.InstantOf(r.Now()))
		if err != nil {
			return destroyed, fmt.Errorf("destroying the keys of erased subjects: %w", err)
		}
		if first {
			destroyed++
		}
	}
	return destroyed, nil
}
