package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// MaxEventBytes bounds one event as a line of JSON. It is a little below the limit of a DynamoDB item, so
// that every stored event can be moved to AWS.
const MaxEventBytes = 400_000

// storedEvent is an event as the columns of its row.
type storedEvent struct{ envelope, payload string }

// encodeAppend encodes events, and refuses what no store takes before any event is queued.
func encodeAppend(stream string, expected uint64, events []event.Event) ([]storedEvent, error) {
	switch {
	case stream == "" || !utf8.ValidString(stream) || strings.ContainsRune(stream, 0):
		return nil, fmt.Errorf("append: %q cannot name a stream", stream)
	case len(events) == 0:
		return nil, fmt.Errorf("append to %s: there are no events", stream)
	case len(events) > eventstore.MaxAppend:
		return nil, fmt.Errorf("append to %s: %d events at once, at most %d are taken", stream, len(events), eventstore.MaxAppend)
	case expected > event.MaxVersion-eventstore.MaxAppend:
		return nil, fmt.Errorf("append to %s: there is no version %d", stream, expected)
	}
	stored := make([]storedEvent, len(events))
	for i := range events {
		e := events[i]
		e.Stream, e.Version = stream, expected+uint64(i)+1
		var err error
		if stored[i], err = encode(&e); err != nil {
			return nil, fmt.Errorf("append to %s: %w", stream, err)
		}
	}
	return stored, nil
}

// encode returns the columns of an event, and checks that it can be read and exported again: a stored event
// that cannot would block every reader of the log.
func encode(e *event.Event) (storedEvent, error) {
	line := event.AppendJSON(nil, e)
	if len(line) > MaxEventBytes {
		return storedEvent{}, fmt.Errorf("%w: %s has %d bytes as a line of JSON, %d is the limit", eventstore.ErrTooLarge, e.Type, len(line), MaxEventBytes)
	}
	var again event.Event
	if err := event.Decode(line, &again); err != nil {
		return storedEvent{}, fmt.Errorf("event %q cannot be stored: %w", e.ID, err)
	}
	payload := again.Payload
	again.Payload = nil
	want := *e
	want.Payload, want.Schema = nil, max(e.Schema, 1)
	if !sameEnvelope(&want, &again) || !samePayload(payload, e.Payload) {
		return storedEvent{}, fmt.Errorf("event %q cannot be stored: a text is not UTF-8, the time is not in the years 0000 to 9999, or the payload is not just a JSON object", e.ID)
	}
	bare := *e
	bare.Payload = nil
	return storedEvent{envelope: string(event.AppendJSON(line[:0], &bare)), payload: string(e.Payload)}, nil
}

func sameEnvelope(a, b *event.Event) bool {
	return a.ID == b.ID && a.Type == b.Type && a.OccurredAt == b.OccurredAt && a.CorrelationID == b.CorrelationID &&
		a.Stream == b.Stream && a.Version == b.Version && a.Schema == b.Schema && a.CausationID == b.CausationID &&
		a.CommandID == b.CommandID && a.CommandHash == b.CommandHash && a.Actor == b.Actor && a.Traceparent == b.Traceparent &&
		a.Command == b.Command && a.Role == b.Role && a.Route == b.Route && a.Origin == b.Origin
}

// samePayload compares a payload that went through a line of JSONL, which has no line breaks, with the
// original.
func samePayload(fromLine, original []byte) bool {
	if bytes.Equal(fromLine, original) {
		return true
	}
	if !bytes.HasPrefix(original, []byte("{")) || !bytes.HasSuffix(original, []byte("}")) {
		return false // a break before or after the object
	}
	withoutBreaks := bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, original)
	// Only between tokens: a break inside a string would have to be escaped.
	return bytes.Equal(fromLine, withoutBreaks) && json.Valid(original)
}

// eventColumn reads an event as one text, so that a row costs one allocation, which the event's strings and
// its payload share. The envelope is a line, so the first break ends it.
const (
	eventText   = "envelope || '\n' || payload"
	eventColumn = "SELECT " + eventText + " FROM events "
	// numberedColumns are an event and its number.
	numberedColumns = "SELECT " + eventText + ", position FROM events "
)

// numbers collects the numbers of scanned rows.
type numbers []uint64

// Scan implements sql.Scanner.
func (n *numbers) Scan(position any) error {
	number, ok := position.(int64)
	if !ok {
		return fmt.Errorf("an event's number is a %T", position)
	}
	*n = append(*n, uint64(number))
	return nil
}

// readEvents reads all rows of eventColumn, about expected of them; it scans further columns into more.
func readEvents(rows *sql.Rows, err error, expected int, more ...any) ([]event.Event, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	events := make([]event.Event, 0, expected)
	var text string
	columns := append([]any{&text}, more...)
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return nil, err
		}
		events = append(events, event.Event{})
		if err := decodeColumn(text, &events[len(events)-1]); err != nil {
			return nil, fmt.Errorf("a stored event cannot be read, restore the file from a backup: %w", err)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(events) == 0 {
		return nil, err
	}
	return events, nil
}

// decodeColumn decodes a text, whose memory then belongs to the event.
func decodeColumn(text string, e *event.Event) error {
	line := unsafe.Slice(unsafe.StringData(text), len(text))
	end := bytes.IndexByte(line, '\n')
	if end < 0 {
		return errors.New("the envelope has no end")
	}
	if err := event.Decode(line[:end:end], e); err != nil {
		return err
	}
	e.Payload = line[end+1 : len(line) : len(line)]
	return nil
}

// texts reads all rows of one text column.
func texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, errors.Join(rows.Err(), rows.Close())
}
