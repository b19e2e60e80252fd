package eventstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrOtherStore means that a store is not the one that a reader has read before: it lacks the last event that
// the reader has seen. It is an older copy, or has lost events. If the reader went on, it would skip new
// events until their numbers exceed its own.
var ErrOtherStore = errors.New("the event store is not the one that was read before")

// Mark is how far a reader has come in a store that numbers its events: the number of the last event and its
// id, since an older copy of the store assigns the same numbers to other events. The zero Mark is before the
// first event.
type Mark struct {
	Number uint64
	ID     string // "" in marks from before ids were kept
}

// String returns the form that ParseMark reads; "" for the zero Mark.
func (m Mark) String() string {
	switch {
	case m.Number == 0:
		return ""
	case m.ID == "":
		return strconv.FormatUint(m.Number, 10)
	}
	return strconv.FormatUint(m.Number, 10) + "/" + m.ID
}

// ParseMark reads a mark.
func ParseMark(text string) (Mark, error) {
	if text == "" {
		return Mark{}, nil
	}
	number, id, hasID := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || hasID && id == "" {
		return Mark{}, fmt.Errorf("%q does not mark an event: it is NUMBER/ID", text)
	}
	return Mark{Number: n, ID: id}, nil
}
