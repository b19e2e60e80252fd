package event_test

import (
	"testing"
	"time"

	"gakushoku/internal/event"
)

// No moment that can be written is the zero value, which means "not set", and all sort after it.
func TestNoMomentIsMistakenForNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0000-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"} {
		at, err := event.ParseInstant(text)
		if err != nil || at.IsZero() || at <= 0 || at.String() != text {
			t.Errorf("%s is %d, %s: %v", text, at, at, err)
		}
		if again := event.InstantOf(at.Time()); again != at || event.InstantOfMilli(at.Milli()) != at {
			t.Errorf("%s comes back as %s", text, again)
		}
	}
	if at := event.InstantOf(time.Unix(0, 0)); at.IsZero() || at.Milli() != 0 {
		t.Errorf("the first moment of 1970 is %d", at)
	}
}
