package logcheck_test

import (
	"context"
	"testing"

	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// spoiltStore shows other events than there are.
type spoiltStore struct {
	*memory.Events
	spoil func(streams map[string][]event.Event)
}

func (s *spoiltStore) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	found, err := s.Events.LoadMany(ctx, streams)
	s.spoil(found)
	return found, err
}

func (c *canteen) verifyEvents(deep bool) *logcheck.EventsReport {
	c.t.Helper()
	r, err := c.log.VerifyEvents(c.t.Context(), deep)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func TestSoundEventsAreSound(t *testing.T) {
	t.Parallel()
	c := filled(t)
	for _, deep := range []bool{false, true} {
		r := c.verifyEvents(deep)
		wantKinds(t, "sound events", r.Findings, nil)
		if r.Streams != 20 || r.Events != 40 || (r.Log != nil) != deep {
			t.Errorf("%+v", r)
		}
	}
}

func TestEventsThatMustNotBeThereAreFound(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		spoil func(streams map[string][]event.Event)
		want  map[logcheck.Kind]int
	}{
		"a version is missing": {
			func(s map[string][]event.Event) {
				if events, ok := s["order-o3"]; ok {
					s["order-o3"] = events[1:]
				}
			}, map[logcheck.Kind]int{logcheck.VersionHole: 1},
		},
		"a type that nobody knows": {
			func(s map[string][]event.Event) {
				change(s, "order-o3", func(e *event.Event) { e.Type = "OrderEaten" })
			},
			map[logcheck.Kind]int{logcheck.EventInvalid: 1},
		},
		"a payload that is none": {
			func(s map[string][]event.Event) {
				change(s, "order-o3", func(e *event.Event) { e.Payload = []byte("{") })
			},
			map[logcheck.Kind]int{logcheck.EventInvalid: 1},
		},
		"a payload of another order": {
			func(s map[string][]event.Event) {
				change(s, "order-o3", func(e *event.Event) {
					e.Payload = []byte(`{"orderId":"o4","paidAt":"2026-01-24T00:00:00.000Z","paymentMethod":"card"}`)
				})
			}, map[logcheck.Kind]int{logcheck.EventInvalid: 1},
		},
		"another stream": {
			func(s map[string][]event.Event) {
				change(s, "order-o3", func(e *event.Event) { e.Stream = "order-o4" })
			},
			map[logcheck.Kind]int{logcheck.EventInvalid: 1},
		},
		"one id three times": {
			func(s map[string][]event.Event) {
				for _, stream := range []string{"order-o3", "order-o4", "order-o15"} {
					change(s, stream, func(e *event.Event) { e.ID = "the same" })
				}
			}, map[logcheck.Kind]int{logcheck.IDRepeated: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := filled(t)
			c.log.Store = &spoiltStore{c.store, d.spoil}
			wantKinds(t, name, c.verifyEvents(false).Findings, d.want)
		})
	}
}

// change changes the second event of a stream.
func change(streams map[string][]event.Event, name string, f func(e *event.Event)) {
	if events := streams[name]; len(events) > 1 {
		f(&events[1])
	}
}

func TestEventsThatTheLogDoesNotHaveMakeADeepVerificationFail(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.place(200)
	if r := c.verifyEvents(false); !r.Sound {
		t.Errorf("%+v", r)
	}
	r := c.verifyEvents(true)
	if r.Sound || r.Log == nil || r.Log.Counts[logcheck.EventMissing] != 2 || len(r.Counts) != 0 {
		t.Errorf("%+v", r)
	}
}
