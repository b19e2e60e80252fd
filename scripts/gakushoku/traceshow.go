package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/observe"
	"gakushoku/internal/operate/timeline"
)

// showTimeline prints an operation for a person.
func showTimeline(w io.Writer, t *timeline.Timeline) {
	fmt.Fprintf(w, "operation  %s\n", plain(t.CorrelationID))
	for _, stream := range t.Streams {
		fmt.Fprintf(w, "stream     %s\n", plain(stream))
	}
	for _, trace := range t.Traces {
		fmt.Fprintf(w, "trace      %s\n", plain(strings.TrimSpace(trace.ID+"  "+trace.URL)))
	}
	fmt.Fprintln(w)
	table := newTable(w, "TIME\tAFTER\tKIND\tWHAT\tOUTCOME")
	afters := after(t.Entries)
	for i := range t.Entries {
		e := &t.Entries[i]
		table.line("%s\t%s\t%s\t%s\t%s", e.At, afters[i], e.Kind, plain(e.What), plain(cameOf(e)))
		for j := range e.Projected {
			table.line("\t\t  read model\t%s\t%s", e.Projected[j].Table, plain(projectedText(&e.Projected[j])))
		}
	}
	table.Flush()
	showNotes(w, t.Notes)
}

func showNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintf(w, "\nNote: %s.\n", note)
	}
}

// after formats how long after the first entry each entry came, right-aligned.
func after(entries []timeline.Entry) []string {
	texts, widest := make([]string, len(entries)), 0
	for i := range entries {
		if at := entries[i].At - entries[0].At; at != 0 {
			texts[i] = "+" + lasting(float64(at), 0)
		}
		widest = max(widest, len(texts[i]))
	}
	for i, text := range texts {
		texts[i] = fmt.Sprintf("%*s", widest, text)
	}
	return texts
}

// lasting formats a duration: in milliseconds with the given number of decimals below a second, like 1.5s
// below a minute, like 35m2s above.
func lasting(ms float64, decimals int) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.*f ms", decimals, ms)
	case d < time.Minute:
		return d.Round(time.Second / 10).String()
	}
	return d.Round(time.Second).String()
}

// cameOf returns the outcome of an entry on one line.
func cameOf(e *timeline.Entry) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch e.Kind {
	case timeline.KindEvent:
		add("%s version %d", e.Stream, e.Version)
		if e.Number > 0 {
			add("number %d", e.Number)
		} else {
			add("not in the log yet")
		}
		if e.Actor != "" {
			add("by %s", e.Actor)
		}
		add("eventId %s", e.EventID)
	case timeline.KindLog:
		add("%s", strings.TrimSpace(strings.ToUpper(e.Level)+" "+fieldsText(e.Fields)))
	default:
		add("%s", ended(e))
		if e.Repeated {
			add("repeated: nothing was appended")
		}
		if e.Stream != "" && e.Version > 0 {
			add("%s version %d", e.Stream, e.Version)
		}
	}
	if e.ErrorClass != "" {
		add("%s", strings.TrimSpace(e.ErrorClass+" "+e.Code))
	}
	if e.Error != "" {
		add("%s", e.Error)
	}
	return strings.Join(parts, ", ")
}

// ended returns how a request, command or query ended.
func ended(e *timeline.Entry) string {
	if e.Result == "" {
		return "has not ended"
	}
	text := e.Result
	if e.Status > 0 {
		text = fmt.Sprint(e.Status)
	}
	if e.DurationMs != nil {
		text += " after " + lasting(*e.DurationMs, 1)
	}
	return text
}

func projectedText(p *timeline.Projected) string {
	row := fmt.Sprintf("its row is at version %d", p.RowVersion)
	if p.RowVersion == 0 {
		row = "it has no row"
	}
	switch p.State {
	case timeline.StateParked:
		return "PARKED " + parkedSince(p.Parked)
	case timeline.StateBlocked:
		return "NOT APPLIED, waits behind what is parked " + parkedSince(p.Parked)
	case timeline.StateBehind:
		return "NOT APPLIED: " + row
	}
	return "applied, " + row
}

// told lists the fields of a log line that are shown elsewhere or are equal in all lines.
var told = []string{
	"timestamp", "level", "message", "error", "stack", "method", "path", "code",
	observe.FieldService, observe.FieldFunction, observe.FieldCorrelationID, observe.FieldTraceID, observe.FieldSpanID, observe.FieldErrorClass,
}

// fieldsText formats the other fields of a log line as key=value.
func fieldsText(raw json.RawMessage) string {
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return ""
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(told, key) {
			parts = append(parts, fmt.Sprintf("%s=%v", key, fields[key]))
		}
	}
	return strings.Join(parts, " ")
}

// showStream prints the operations of a stream for a person.
func showStream(w io.Writer, o *timeline.Stream) {
	table := newTable(w, "TIME\tCORRELATION ID\tCOMMAND\tRESULT\tEVENTS")
	for i := range o.Operations {
		op := &o.Operations[i]
		var events []string
		for _, e := range op.Events {
			events = append(events, fmt.Sprintf("%s (version %d)", e.Type, e.Version))
		}
		table.line("%s\t%s\t%s\t%s\t%s", op.At, plain(orDash(op.CorrelationID)), plain(orDash(strings.Join(op.Commands, ", "))), plain(operationResult(op)), orDash(strings.Join(events, ", ")))
	}
	table.Flush()
	showNotes(w, o.Notes)
}

func operationResult(op *timeline.Operation) string {
	why := strings.TrimSpace(op.ErrorClass + " " + op.Code)
	if op.ErrorClass != "domain" && op.Error != "" {
		why += ", " + op.Error
	}
	return orDash(strings.TrimSpace(op.Result + " " + why))
}
