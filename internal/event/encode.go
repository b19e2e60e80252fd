package event

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// New returns an event with a payload in the current schema. The caller fills in the envelope's other
// fields.
func New(p Payload) (Event, error) {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return Event{}, fmt.Errorf("encoding %s: %w", p.EventType(), err)
	}
	t := types[p.EventType()]
	if t == nil {
		return Event{}, fmt.Errorf("encoding %s: %w", p.EventType(), ErrUnknownType)
	}
	return Event{Type: t.Name, Schema: t.Schema, Payload: bytes.TrimSuffix(raw.Bytes(), []byte("\n"))}, nil
}

// AppendJSON appends e as one line of JSONL, without the newline. The fields have a fixed sequence: the
// first five are always written, the others only if set. Equal events are therefore equal lines. The
// payload is written as stored, except for line breaks between its tokens; an event without a payload
// gets {}. Bytes that are not UTF-8 become U+FFFD.
func AppendJSON(dst []byte, e *Event) []byte {
	dst = AppendString(append(dst, `{"eventId":`...), e.ID)
	dst = AppendString(append(dst, `,"type":`...), e.Type)
	dst = append(dst, `,"occurredAt":"`...)
	dst = e.OccurredAt.Append(dst)
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
	dst = appendOptional(dst, `,"command":`, e.Command)
	dst = appendOptional(dst, `,"role":`, e.Role)
	dst = appendOptional(dst, `,"route":`, e.Route)
	dst = appendOptional(dst, `,"origin":`, e.Origin)
	return append(dst, '}')
}

// appendPayload omits line breaks. They can only be between tokens: inside a string they would have been
// refused.
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

// AppendString appends s as a JSON string. It escapes only what must be escaped.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := asciiEnd(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return append(dst, '"')
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case size > 1:
			dst = append(dst, s[:size]...)
		case r == utf8.RuneError:
			dst = utf8.AppendRune(dst, r)
		default:
			dst = appendEscape(dst, s[0])
		}
		s = s[size:]
	}
}

// asciiEnd returns the first index that cannot simply be copied: what plainEnd finds, and anything beyond
// ASCII.
func asciiEnd(s string) int {
	data := unsafe.Slice(unsafe.StringData(s), len(s))
	at := 0
	for ; at+8 <= len(data); at += 8 {
		w := binary.LittleEndian.Uint64(data[at:])
		if found := (special(w) | w) & highBits; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(data) && data[at] != '"' && data[at] != '\\' && data[at] >= ' ' && data[at] < utf8.RuneSelf {
		at++
	}
	return at
}

// appendEscape appends the escape of a quote, a backslash or a control character.
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
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
