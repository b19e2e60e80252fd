package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// New makes an event of a payload, in the schema written today. The envelope's other fields
// are the caller's to fill in.
func New(p Payload) (Event, error) {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return Event{}, fmt.Errorf("encoding %s: %w", p.EventType(), err)
	}
	return Event{Type: p.EventType(), Schema: p.EventSchema(), Payload: bytes.TrimSuffix(raw.Bytes(), []byte("\n"))}, nil
}

// AppendJSON appends e as one line of JSONL, without the newline. The fields come in a fixed
// order, the first five always and the others when they are set, so that equal events are
// equal lines. The payload is written as it is stored, but for line breaks between its
// tokens; an event without one gets {}. Bytes that are not UTF-8 become U+FFFD.
func AppendJSON(dst []byte, e *Event) []byte {
	dst = AppendString(append(dst, `{"eventId":`...), e.ID)
	dst = AppendString(append(dst, `,"type":`...), e.Type)
	dst = append(dst, `,"occurredAt":"`...)
	dst = e.OccurredAt.Time().AppendFormat(dst, instantLayout)
	dst = AppendString(append(dst, `","correlationId":`...), e.CorrelationID)
	dst = appendPayload(append(dst, `,"payload":`...), e.Payload)
	dst = appendOptional(dst, `,"stream":`, e.Stream)
	if e.Version != 0 {
		dst = strconv.AppendUint(append(dst, `,"version":`...), e.Version, 10)
	}
	if e.Schema != 0 {
		dst = strconv.AppendInt(append(dst, `,"schema":`...), int64(e.Schema), 10)
	}
	dst = appendOptional(dst, `,"causationId":`, e.CausationID)
	dst = appendOptional(dst, `,"commandId":`, e.CommandID)
	dst = appendOptional(dst, `,"commandHash":`, e.CommandHash)
	dst = appendOptional(dst, `,"actor":`, e.Actor)
	dst = appendOptional(dst, `,"traceparent":`, e.Traceparent)
	return append(dst, '}')
}

// appendPayload leaves out line breaks. They can only stand between tokens: inside a string
// they would have been refused.
func appendPayload(dst, payload []byte) []byte {
	if len(payload) == 0 {
		return append(dst, "{}"...)
	}
	for len(payload) > 0 {
		end := bytes.IndexAny(payload, "\r\n")
		if end < 0 {
			return append(dst, payload...)
		}
		dst = append(dst, payload[:end]...)
		payload = payload[end+1:]
	}
	return dst
}

func appendOptional(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return AppendString(append(dst, key...), s)
}

// appendString appends s as a JSON string, escaping what has to be escaped and nothing else.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = appendEscape(append(dst, s[done:i]...), c)
		i += size
		done = i
	}
	return append(append(dst, s[done:]...), '"')
}

// appendEscape appends the escape of a quote, a backslash, a control character or a byte that
// is not UTF-8.
func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c < ' ' {
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return utf8.AppendRune(dst, utf8.RuneError)
}
