package timeline

import (
	"cmp"
	"slices"
	"strings"

	"gakushoku/internal/event"
)

// Found is what the sources know about one operation.
type Found struct {
	CorrelationID string
	Lines         [][]byte      // oldest first
	Events        []event.Event // in any order
	// Numbers are the places of events in the log by stream and version.
	Numbers map[string]map[uint64]uint64
	Rows    []Row // of the events' streams
	Notes   []string
}

// Merge creates one timeline. What several sources report appears once. Entries of the same millisecond are
// in the order of cause and effect, and log lines as they were written.
func Merge(f Found) Timeline {
	t := Timeline{CorrelationID: f.CorrelationID, Streams: []string{}, Traces: []Trace{}, Notes: f.Notes}
	for _, e := range entriesOf(f.Lines) {
		t.Entries = append(t.Entries, *e)
	}
	for _, e := range uniqueEvents(f.Events) {
		t.Entries = append(t.Entries, eventEntry(e, &f))
	}
	slices.SortStableFunc(t.Entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(ranks[a.Kind], ranks[b.Kind]))
	})
	for i := range t.Entries {
		e := &t.Entries[i]
		t.Streams = with(t.Streams, e.Stream)
		if e.TraceID != "" && !slices.Contains(t.Traces, Trace{ID: e.TraceID}) {
			t.Traces = append(t.Traces, Trace{ID: e.TraceID})
		}
	}
	return t
}

// entriesOf returns the entries of log lines.
func entriesOf(lines [][]byte) []*Entry {
	s := stages{open: map[stage]*Entry{}}
	seen := make(map[string]bool, len(lines))
	before := event.Instant(0)
	for _, raw := range lines {
		if seen[string(raw)] {
			continue // a line twice: a file that is being compressed, or a log service that delivers twice
		}
		seen[string(raw)] = true
		l := readLine(raw, before)
		before = l.at
		s.add(&l)
	}
	return s.entries
}

// uniqueEvents returns each event once, in the order of streams and versions.
func uniqueEvents(events []event.Event) []*event.Event {
	all := make([]*event.Event, len(events))
	for i := range events {
		all[i] = &events[i]
	}
	slices.SortFunc(all, func(a, b *event.Event) int {
		return cmp.Or(strings.Compare(a.Stream, b.Stream), cmp.Compare(a.Version, b.Version))
	})
	return slices.CompactFunc(all, func(a, b *event.Event) bool { return a.Stream == b.Stream && a.Version == b.Version })
}

func eventEntry(v *event.Event, f *Found) Entry {
	e := Entry{
		At: v.OccurredAt, Kind: KindEvent, What: v.Type, Stream: v.Stream, Version: v.Version, EventID: v.ID, Actor: v.Actor,
		Number: f.Numbers[v.Stream][v.Version], TraceID: traceOf(v.Traceparent),
	}
	for i := range f.Rows {
		if row := &f.Rows[i]; row.Stream == v.Stream {
			e.Projected = append(e.Projected, projected(v.Version, row))
		}
	}
	return e
}

// traceOf returns the trace id of a W3C traceparent.
func traceOf(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 {
		return ""
	}
	return parts[1]
}

func with(all []string, one string) []string {
	if one == "" || slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}
