package replay

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"

	"gakushoku/internal/engine/projection"
)

// seen is what is kept of each event that had an eventId: enough to recognize it and to name its line. There
// are millions of them.
type seen struct{ content, line uint32 }

// known are the eventIds of a strict replay, by hash.
type known map[uint64]seen

// identify computes the hashes by which an item is recognized. It runs in the workers concurrently.
func (r *run) identify(it *item) {
	e := &it.event
	it.id = maphash.String(r.seed, e.ID)
	var h maphash.Hash
	h.SetSeed(r.seed)
	maphash.WriteComparable(&h, e.OccurredAt)
	h.WriteString(e.Stream) //nolint:errcheck // it never fails
	h.WriteString(e.Type)   //nolint:errcheck // it never fails
	h.Write(e.Payload)      //nolint:errcheck // it never fails
	it.content = uint32(h.Sum64())
}

// look compares an item with the log before it: it is new, a repeat, or its eventId is already that of
// another event. An event without a version takes the next place in its stream, so it cannot be a repeat.
func (k known) look(it *item, line int64) {
	first, found := k[it.id]
	switch {
	case !found:
		k[it.id] = seen{it.content, uint32(line)}
	case first.content != it.content || it.event.Version == 0:
		it.refused = fmt.Errorf("eventId %q is on line %d too, as another event", it.event.ID, first.line)
	default:
		it.again = true
	}
}

// judge checks that an event's outcome agrees with whether it is a repeat, as an import does.
func (it *item) judge(step projection.Step) error {
	switch {
	case it.again && (step == projection.Applied || step == projection.Gap):
		it.refused = fmt.Errorf("eventId %q came before, as another version of %s", it.event.ID, it.event.Stream)
	case !it.again && step == projection.Duplicate:
		it.refused = fmt.Errorf("version %d of %s is another event before this line", it.event.Version, it.event.Stream)
	}
	return it.refused
}

// refuse turns the items that were refused into bad lines.
func (w *worker) refuse(text []byte) {
	for i := range w.items {
		if it := &w.items[i]; it.refused != nil {
			w.bad = append(w.bad, BadLine{Name: w.Name, Line: it.line, Text: lineOf(text, it.line), Err: it.refused})
			w.refused++
		}
	}
	slices.SortFunc(w.bad, func(a, b BadLine) int { return cmp.Compare(a.Line, b.Line) })
}

// lineOf returns a line of a text, counted from 0.
func lineOf(text []byte, n int64) []byte {
	for ; n > 0; n-- {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}
