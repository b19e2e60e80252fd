package lag

import (
	"context"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

var noon = time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)

// readers are both markers on one store, with a clock of their own.
type readers struct {
	t                   *testing.T
	control             *memory.Control
	projector, archiver *Marker
	now                 time.Time
}

func newReaders(t *testing.T) *readers {
	r := &readers{t: t, control: memory.NewControl(), now: noon}
	r.projector, r.archiver = r.instance(Projector, Archiver), r.instance(Archiver, Projector)
	return r
}

func (r *readers) instance(reader, other string) *Marker {
	return &Marker{checkpoints: r.control, reader: reader, other: other, now: func() time.Time { return r.now }}
}

func (r *readers) checkpoint(reader string) projection.Checkpoint {
	r.t.Helper()
	c, err := r.control.Checkpoint(r.t.Context(), reader)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// behind is what the health of a reader says.
func (r *readers) behind(reader string) time.Duration {
	r.t.Helper()
	return lagOf(r.checkpoint(reader), r.checkpoint(reader+expected), r.now).Behind
}

func TestTheCheckpointIsWrittenNowAndThen(t *testing.T) {
	t.Parallel()
	r := newReaders(t)
	for _, step := range []struct{ later, want time.Duration }{{0, 0}, {500 * time.Millisecond, 0}, {600 * time.Millisecond, 1100 * time.Millisecond}} {
		r.now = r.now.Add(step.later)
		r.archiver.Done(t.Context(), r.now.Add(-40*time.Millisecond))
		c := r.checkpoint(Archiver)
		if want := event.InstantOf(noon.Add(step.want)); c.AppliedAt != want || c.AppliedAt-c.OccurredAt != 40 {
			t.Errorf("%+v, want it written at %s", c, want)
		}
	}
	// One that catches up has much newer events a moment later: those count.
	r.archiver.Done(t.Context(), r.now.Add(time.Hour))
	if c := r.checkpoint(Archiver); c.OccurredAt != event.InstantOf(r.now.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.now = r.now.Add(time.Hour)
	r.archiver.Done(ctx, r.now) // cannot be written, and that is all
}

func TestAnInstanceThatIsBehindTakesNothingBack(t *testing.T) {
	t.Parallel()
	r := newReaders(t)
	r.archiver.Done(t.Context(), noon.Add(-time.Second))
	r.now = noon.Add(5 * time.Second)
	r.instance(Archiver, Projector).Done(t.Context(), noon.Add(-3*time.Minute))
	if c := r.checkpoint(Archiver); newest(c) != event.InstantOf(noon.Add(-time.Second)) {
		t.Errorf("the newest event is %s", newest(c))
	}
	if lag := r.behind(Archiver); lag != 3*time.Minute+5*time.Second {
		t.Errorf("events that were three minutes late count as %s", lag)
	}
}

func TestLag(t *testing.T) {
	t.Parallel()
	at := func(ago time.Duration) event.Instant { return event.InstantOf(noon.Add(-ago)) }
	for name, test := range map[string]struct {
		c, waiting projection.Checkpoint
		want       time.Duration
	}{
		"nothing yet":     {projection.Checkpoint{}, projection.Checkpoint{}, 0},
		"in time":         {projection.Checkpoint{AppliedAt: at(time.Second), OccurredAt: at(1050 * time.Millisecond)}, projection.Checkpoint{}, 50 * time.Millisecond},
		"late just now":   {projection.Checkpoint{AppliedAt: at(time.Second), OccurredAt: at(301 * time.Second)}, projection.Checkpoint{}, 5 * time.Minute},
		"late, long ago":  {projection.Checkpoint{AppliedAt: at(time.Hour), OccurredAt: at(2 * time.Hour)}, projection.Checkpoint{}, 0},
		"clocks disagree": {projection.Checkpoint{AppliedAt: at(time.Second), OccurredAt: at(0)}, projection.Checkpoint{}, 0},
		"missing what the other has": {
			projection.Checkpoint{AppliedAt: at(time.Hour), OccurredAt: at(time.Hour)},
			projection.Checkpoint{AppliedAt: at(3 * time.Minute), OccurredAt: at(3*time.Minute + time.Second)}, 3 * time.Minute,
		},
		"never been there": {projection.Checkpoint{}, projection.Checkpoint{AppliedAt: at(3 * time.Minute), OccurredAt: at(3 * time.Minute)}, 3 * time.Minute},
		"as far as the other": {
			projection.Checkpoint{AppliedAt: at(time.Hour), OccurredAt: at(time.Hour)},
			projection.Checkpoint{AppliedAt: at(time.Hour), OccurredAt: at(time.Hour - checkpointEvery)}, 0,
		},
	} {
		if l := lagOf(test.c, test.waiting, noon); l.Behind != test.want || l.Detail == "" {
			t.Errorf("%s: %+v, want %s", name, l, test.want)
		}
	}
}

// TestAReaderThatDiesIsNoticedByTheOther has one of them stop while the other goes on.
func TestAReaderThatDiesIsNoticedByTheOther(t *testing.T) {
	t.Parallel()
	for name, pick := range map[string]func(r *readers) (dead, alive *Marker){
		"the archiver":  func(r *readers) (dead, alive *Marker) { return r.archiver, r.projector },
		"the projector": func(r *readers) (dead, alive *Marker) { return r.projector, r.archiver },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReaders(t)
			dead, alive := pick(r)
			for range 20 { // both are well
				r.now = r.now.Add(3 * time.Second)
				alive.Done(t.Context(), r.now.Add(-time.Second))
				if lag := r.behind(dead.reader); lag > 5*time.Second {
					t.Fatalf("the %s counts as %s behind though it goes on", dead.reader, lag)
				}
				r.now = r.now.Add(2 * time.Second)
				dead.Done(t.Context(), r.now.Add(-3*time.Second))
			}
			died := r.now
			for range 40 {
				r.now = r.now.Add(2 * time.Second)
				alive.Done(t.Context(), r.now.Add(-time.Second))
			}
			if lag := r.behind(dead.reader); lag < r.now.Sub(died)-3*time.Second || lag < Max {
				t.Errorf("the %s died %s ago and counts as %s behind", dead.reader, r.now.Sub(died), lag)
			}
			if lag := r.behind(alive.reader); lag > 2*time.Second {
				t.Errorf("the %s counts as %s behind though it goes on", alive.reader, lag)
			}
			dead.Done(t.Context(), r.now.Add(-time.Second)) // it is back, and as far
			if lag := r.behind(dead.reader); lag > 2*time.Second {
				t.Errorf("the %s counts as %s behind though it is back", dead.reader, lag)
			}
		})
	}
}
