package eventstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrOtherStore says that a store is not the one that a reader has read before: it does not have
// the event up to which that has come. It is an older copy, or has lost events. Going on would
// leave out what comes until the numbers have overtaken the reader's.
var ErrOtherStore = errors.New("the event store is not the one that was read before")

// Mark is how far a reader has come in a store whose events have numbers: the number of the last
// event, and its id, since the numbers of an older copy come again for other events. The zero
// Mark is before the first event.
type Mark struct {
	Number uint64
	ID     string // "" in marks from before ids were kept
}

// String is what ParseMark reads; "" of the zero Mark.
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
