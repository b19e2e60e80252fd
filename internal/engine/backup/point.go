package backup

import (
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// ErrNoPoint means that a backup cannot be restored up to a point, and says what is there instead.
var ErrNoPoint = errors.New("there is nothing to restore at this point")

// Point is up to where a backup is restored, inclusive. The zero value is its end; at most one field is set.
type Point struct {
	Number uint64        `json:"number,omitempty"` // of an event of the log
	Until  event.Instant `json:"until,omitzero"`   // when events occurred
}

// Check refuses a point that is not within a backup.
func (p Point) Check(c *Catalogue, now time.Time) error {
	there := fmt.Sprintf("backup %s has events 1 to %d, from %s to %s", c.ID, c.Head.Number, c.OldestAt, c.NewestAt)
	if c.Head.Number == 0 {
		there = fmt.Sprintf("backup %s has no events", c.ID)
	}
	switch {
	case p.Number > c.Head.Number:
		return fmt.Errorf("%w: there is no event %d: %s", ErrNoPoint, p.Number, there)
	case p.Until.IsZero():
		return nil
	case p.Until > event.InstantOf(now):
		return fmt.Errorf("%w: %s is in the future: %s", ErrNoPoint, p.Until, there)
	case c.Head.Number == 0 || p.Until < c.OldestAt:
		return fmt.Errorf("%w: %s is before the first event: %s", ErrNoPoint, p.Until, there)
	case p.Until > c.CreatedAt:
		return fmt.Errorf("%w: %s is after the backup was made, so events may be missing: %s", ErrNoPoint, p.Until, there)
	}
	return nil
}

// whole reports whether all events of a segment are up to the point.
func (p Point) whole(m *eventlog.Manifest) bool {
	return (p.Number == 0 || m.Last <= p.Number) && (p.Until.IsZero() || m.NewestAt <= p.Until)
}

// none reports whether none of them is.
func (p Point) none(m *eventlog.Manifest) bool {
	return p.Number > 0 && m.First > p.Number || !p.Until.IsZero() && m.OldestAt > p.Until
}

// has reports whether an event is up to the point.
func (p Point) has(number uint64, e *event.Event) bool {
	return (p.Number == 0 || number <= p.Number) && (p.Until.IsZero() || e.OccurredAt <= p.Until)
}
