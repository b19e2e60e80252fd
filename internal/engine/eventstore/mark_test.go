package eventstore_test

import (
	"testing"

	"gakushoku/internal/engine/eventstore"
)

func TestMarksAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]eventstore.Mark{
		"": {}, "7": {Number: 7}, "7/e1": {Number: 7, ID: "e1"}, "7/a/b": {Number: 7, ID: "a/b"},
	} {
		got, err := eventstore.ParseMark(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %+v, written as %q: %v", text, got, got, err)
		}
	}
	for _, text := range []string{"e1", "-1", "7/", "/e1", "1e3", "9223372036854775808"} {
		if got, err := eventstore.ParseMark(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
