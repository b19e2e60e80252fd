package event_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

// anyEvent is an event as Decode completes it.
func anyEvent(t *rapid.T) event.Event {
	text := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9-]{1,30}`), rapid.StringN(1, 20, -1))
	optional := rapid.OneOf(rapid.Just(""), text)
	id := text.Draw(t, "orderId")
	e := event.Event{
		ID: text.Draw(t, "eventId"), Type: rapid.SampledFrom([]string{order.PlacedType, order.PaidType, "Something"}).Draw(t, "type"),
		OccurredAt: event.InstantOfMilli(rapid.Int64Range(-62167219200000, 253402300799999).Draw(t, "at")), CorrelationID: optional.Draw(t, "correlationId"),
		Stream: order.Stream(id), Version: rapid.Uint64Range(0, event.MaxVersion).Draw(t, "version"), Schema: rapid.IntRange(1, 9).Draw(t, "schema"),
		CausationID: optional.Draw(t, "causationId"), CommandID: optional.Draw(t, "commandId"), CommandHash: optional.Draw(t, "commandHash"),
		Actor: optional.Draw(t, "actor"), Traceparent: optional.Draw(t, "traceparent"),
		Command: optional.Draw(t, "command"), Role: optional.Draw(t, "role"), Route: optional.Draw(t, "route"), Origin: optional.Draw(t, "origin"),
	}
	e.Payload = fmt.Appendf(nil, `{"orderId":%s, "total" : 780}`, event.AppendString(nil, id))
	return e
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent(t)
		checkWritten(t, &e)
	})
}

// Mutation caught: a decoder that relies on the order or the spelling in which this system
// writes its own events.
func TestEverySpellingIsTheSameEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyEvent(t)
		s := speller{rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "spelling"), 0))}
		line := s.line(&want)
		var got event.Event
		if err := event.Decode([]byte(line), &got); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", diff, line)
		}
	})
}

// speller writes JSON in every way that JSON allows.
type speller struct{ random *rand.Rand }

func (s speller) line(e *event.Event) string {
	members := []string{
		s.member("eventId", s.text(e.ID)), s.member("type", s.text(e.Type)), s.member("occurredAt", s.text(e.OccurredAt.String())),
		s.member("payload", string(e.Payload)), s.member("stream", s.text(e.Stream)),
		s.member("schema", fmt.Sprint(e.Schema)), s.member("version", fmt.Sprint(e.Version)),
	}
	for name, value := range map[string]string{
		"correlationId": e.CorrelationID, "causationId": e.CausationID, "commandId": e.CommandID,
		"commandHash": e.CommandHash, "actor": e.Actor, "traceparent": e.Traceparent,
		"command": e.Command, "role": e.Role, "route": e.Route, "origin": e.Origin,
	} {
		switch {
		case value != "":
			members = append(members, s.member(name, s.text(value)))
		case s.random.IntN(3) == 0:
			members = append(members, s.member(name, "null"))
		}
	}
	for _, extra := range []string{`"Type":"OTHER"`, `"payloads":{"a":[1,{"b":[]}]}`, `"x":-0.5E+7`, `"":""`, `"schema ":true`} {
		if s.random.IntN(2) == 0 {
			members = append(members, s.space()+extra+s.space())
		}
	}
	s.random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	if s.random.IntN(2) == 0 { // the last of repeated keys counts, whatever the others are
		members = append([]string{`"type":17`, `"payload":{"orderId":{}}`, `"version":"x"`}, members...)
	}
	end := []string{"", "\r", " \t\r\n"}[s.random.IntN(3)]
	return s.space() + "{" + strings.Join(members, ",") + "}" + end
}

func (s speller) member(name, value string) string {
	return s.space() + s.text(name) + s.space() + ":" + s.space() + value + s.space()
}

func (s speller) space() string {
	return strings.Repeat([]string{" ", "\t", "\r", "\n"}[s.random.IntN(4)], max(0, s.random.IntN(5)-2))
}

// text spells a string with some characters, or none, as escapes.
func (s speller) text(value string) string {
	plain := s.random.IntN(2) == 0
	var b strings.Builder
	for _, r := range value {
		switch {
		case r < ' ' || r == '"' || r == '\\' || !plain && s.random.IntN(4) == 0:
			s.escape(&b, r)
		case r == '/' && !plain:
			b.WriteString(`\/`)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func (s speller) escape(b *strings.Builder, r rune) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	if text, ok := short[r]; ok && s.random.IntN(2) == 0 {
		b.WriteString(text)
		return
	}
	format := []string{`\u%04x`, `\u%04X`}[s.random.IntN(2)]
	for _, unit := range utf16.Encode([]rune{r}) {
		fmt.Fprintf(b, format, unit)
	}
}
