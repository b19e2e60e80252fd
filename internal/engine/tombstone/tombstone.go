// Package tombstone defines the event that stands for the retired events of a stream: events that the event
// store has given up, because the numbered log has them. Package retire appends it; everything that folds a
// stream steps over it. infra/DESIGN.md section 20 is the specification.
package tombstone

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"gakushoku/internal/event"
)

// Type is the name of the type. Any stream may have such events, whatever its kind.
const Type = "StreamRetired"

var retiredType = event.DefineForAll[Retired](1)

// Retired is the payload: the events of its stream up to a version are in the log, and the event store may
// lack any of them.
type Retired struct {
	Stream  string  `json:"stream"`
	Through uint64  `json:"through"` // the last version that is retired; the tombstone has the next one
	SHA256  string  `json:"sha256"`  // of the events, as Sum makes it
	Places  []Place `json:"places"`  // in the order of the log
}

// Place is one segment with events of the stream. It is named by a number in the log, which outlives the
// segment: a segment that replaces it has the same numbers.
type Place struct {
	Number uint64 `json:"number"` // of the stream's first event in the segment
	Count  int    `json:"count"`  // events of the stream there, without repeats
}

// EventType implements event.Payload.
func (Retired) EventType() string { return Type }

// Decode reads the payload of an event.
func (r *Retired) Decode(e *event.Event) error {
	f := retiredType.Fields(e)
	r.Stream, r.Through, r.SHA256 = f.ID(), uint64(f.Integer("through")), f.Required("sha256")
	for f.Next("places", "place") {
		place := f.Item()
		r.Places = append(r.Places, Place{Number: uint64(place.Integer("number")), Count: int(place.Integer("count"))})
	}
	if err := f.Err(); err != nil {
		return err
	}
	return r.Check()
}

// Check implements event.Checker.
func (r *Retired) Check() error {
	if r.Through < 1 || r.Through > event.MaxVersion {
		return fmt.Errorf("payload of %s: through is %d, it must be the version before the event", Type, r.Through)
	}
	if len(r.Places) == 0 {
		return fmt.Errorf("payload of %s: places are missing", Type)
	}
	return nil
}

// Is reports whether an event is a tombstone. It changes no state and no row: a fold takes its version and
// nothing else.
func Is(e *event.Event) bool { return e.Type == Type }

// Of reads a tombstone, which must stand for all events before it.
func Of(e *event.Event) (Retired, error) {
	var r Retired
	if err := r.Decode(e); err != nil {
		return r, err
	}
	if r.Through+1 != e.Version {
		return r, fmt.Errorf("the tombstone at version %d of %s is for the events up to %d: it must be for all before it", e.Version, e.Stream, r.Through)
	}
	return r, nil
}

// Sum makes the digest of a stream's events, given in the order of versions: SHA-256 of their lines in the
// log. The zero Sum is not ready for use.
type Sum struct {
	hash hash.Hash
	line []byte
}

// NewSum returns the Sum of no events.
func NewSum() *Sum { return &Sum{hash: sha256.New()} }

// Add adds the next event.
func (s *Sum) Add(e *event.Event) {
	c := *e
	c.Schema = max(c.Schema, 1) // a missing schema is read as 1
	s.line = append(event.AppendJSON(s.line[:0], &c), '\n')
	s.hash.Write(s.line) //nolint:errcheck // it cannot fail
}

// Hex returns the digest in hexadecimal.
func (s *Sum) Hex() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// ErrOther means that events are not those that a tombstone stands for.
var ErrOther = errors.New("the log has other events than the tombstone stands for")

// Verify fails with ErrOther unless events, in the order of versions from 1, are those that were retired.
func (r *Retired) Verify(events []event.Event) error {
	if uint64(len(events)) != r.Through {
		return fmt.Errorf("%w: %d of %d were found", ErrOther, len(events), r.Through)
	}
	sum := NewSum()
	for i := range events {
		sum.Add(&events[i])
	}
	if sum.Hex() != r.SHA256 {
		return fmt.Errorf("%w, by their digest", ErrOther)
	}
	return nil
}
