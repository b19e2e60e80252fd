package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// judgement is the result of reading a row and then its stream.
type judgement struct {
	class  Class // "" if the row is right at its own version
	fields []Field
	reason string
	event  *event.Event         // the last one concerned
	behind bool                 // the stream has later events than the row
	parks  *projection.Parked   // set if the event after the row's version parks the stream
	folds  []model.Contribution // the fold's contributions at the row's own version
}

// present reports whether there is a row. A row of version 0 that is not parked has no contents: healing
// leaves it where there should be no row.
func present(r *projection.Record) bool { return r.Version > 0 || r.Parked != nil }

// lostEvents is why a row cannot be healed.
const lostEvents = "the event store does not have all of the stream's events: verify it with events verify --deep"

// judge folds history up to the row's version and compares. The row must have been read before history.
func judge(d model.Projection, row *projection.Record, history []event.Event, now event.Instant) judgement {
	length := uint64(len(history))
	j := judgement{}
	if length > 0 {
		j.event = &history[length-1]
	}
	switch {
	case length > 0 && j.event.Version != length:
		j.class, j.reason = Broken, lostEvents
		return j
	case !present(row):
		j.behind = length > 0
		return j
	case !d.Folds(row.Stream):
		j.class, j.reason = Extra, "the projection does not fold this stream: rebuild it"
		return j
	case length == 0:
		j.class = Extra
		return j
	case row.Version > length:
		j.class, j.reason = Ahead, lostEvents
	}
	f := projection.FoldHistory(d, history[:min(row.Version, length)], now)
	j.folds = f.Contributions()
	fold := f.Record(row.Stream, 0)
	if j.class == Ahead {
		return j
	}
	j.event = &history[max(row.Version, 1)-1]
	if fold.Version < row.Version { // it stopped at an event that cannot be applied
		j.differ(parkedField(row.Parked, fold.Parked))
		return j
	}
	j.differ(differences(row, &fold)...)
	if row.Version == length {
		if row.Parked != nil {
			j.differ(parkedField(row.Parked, nil))
		}
		return j
	}
	j.next(f, row, history, now)
	return j
}

// noStream reports whether the row's stream has no events.
func (j *judgement) noStream() bool { return j.class == Extra && j.reason == "" }

func (j *judgement) differ(fields ...Field) {
	if len(fields) > 0 {
		j.class, j.fields = Different, append(j.fields, fields...)
	}
}

// next compares what the row says about its next event, to be applied or parking the stream, with the fold.
func (j *judgement) next(f *projection.Fold, row *projection.Record, history []event.Event, now event.Instant) {
	e := &history[row.Version]
	last := &history[len(history)-1]
	if f.Apply(e, now) == projection.SetAside {
		last = e
		j.parks = f.Parked
	}
	switch got := row.Parked; {
	case got == nil:
		j.behind = true
		if j.class == "" {
			j.event = last
		}
	case j.parks == nil || got.EventVersion != j.parks.EventVersion || got.EventID != j.parks.EventID:
		j.event = e
		j.differ(parkedField(got, j.parks))
	}
}

// differences returns the parts in which two rows of the same version differ.
func differences(row, fold *projection.Record) []Field {
	var fields []Field
	if !bytes.Equal(row.Data, fold.Data) {
		fields = dataFields(row.Data, fold.Data)
	}
	if row.Place != fold.Place {
		fields = append(fields, Field{Name: "place", Row: placeText(row.Place), Fold: placeText(fold.Place)})
	}
	if row.Parked == nil && !row.Task.Same(fold.Task) {
		fields = append(fields, Field{Name: "task", Row: taskText(row.Task), Fold: taskText(fold.Task)})
	}
	return fields
}

// dataFields returns the top-level fields that differ in two rows' JSON.
func dataFields(row, fold []byte) []Field {
	var stored, wanted map[string]json.RawMessage
	if json.Unmarshal(row, &stored) != nil || json.Unmarshal(fold, &wanted) != nil {
		return []Field{{Name: "data", Row: shorten(string(row)), Fold: shorten(string(fold))}}
	}
	names := maps.Clone(stored)
	maps.Copy(names, wanted)
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(stored[name], wanted[name]) {
			fields = append(fields, Field{Name: name, Row: shorten(string(stored[name])), Fold: shorten(string(wanted[name]))})
		}
	}
	if len(fields) == 0 { // the same values in another sequence or spelling, which no fold writes
		fields = []Field{{Name: "data", Row: shorten(string(row)), Fold: shorten(string(fold))}}
	}
	return fields
}

func parkedField(row, fold *projection.Parked) Field {
	return Field{Name: "parked", Row: parkedText(row), Fold: parkedText(fold)}
}

func parkedText(p *projection.Parked) string {
	if p == nil {
		return ""
	}
	return shorten(fmt.Sprintf("at version %d, event %s: %s", p.EventVersion, p.EventID, p.Reason))
}

func placeText(p model.Place) string {
	if p == (model.Place{}) {
		return ""
	}
	return p.Bucket + " " + p.Sort
}

func taskText(t *projection.Task) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%s, due %s", t.Step, t.Due)
}

// shorten cuts long values, so that a report stays small.
func shorten(text string) string {
	const limit = 200
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit]) + "..."
}
