package replica_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/memory"
)

// site is one installation: its stores, and the clock that all installations of a test share.
type site struct {
	t      *testing.T
	clock  *clock
	name   string
	events *memory.Events
	ledger *memory.Ledger
	blobs  *memory.Blobs
	sent   int
	logged eventstore.Mark
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)} }

func newSite(t *testing.T, name string, c *clock) *site {
	return &site{t: t, clock: c, name: name, events: memory.NewEvents(), ledger: memory.NewLedger(), blobs: memory.NewBlobs()}
}

func (s *site) id() string { s.sent++; return fmt.Sprintf("%s-%d", s.name, s.sent) }

func (s *site) log() *eventlog.Reader { return &eventlog.Reader{Ledger: s.ledger, Blobs: s.blobs} }

func (s *site) primary(place eventlog.Blobs) *replica.Primary {
	return &replica.Primary{Log: s.log(), Place: place, Now: s.clock.now, About: replica.About{URL: "http://" + s.name, LeaseMs: 10_000}}
}

func (s *site) standby(place eventlog.Blobs) *replica.Standby {
	return &replica.Standby{Place: place, Events: s.events, Ledger: s.ledger, Blobs: s.blobs, Now: s.clock.now, NewID: s.id}
}

// happen appends events to streams of their own, and archives them as one segment.
func (s *site) happen(count int) {
	s.t.Helper()
	for range count {
		id := s.id()
		e := event.Event{ID: id, Type: "LoanTaken", OccurredAt: event.InstantOf(s.clock.at), CorrelationID: "c", Payload: []byte(`{"loanId":"` + id + `"}`)}
		must(s.t, s.events.Append(s.t.Context(), "loan-"+id, 0, []event.Event{e}))
	}
	s.archive()
}

func (s *site) archive() {
	s.t.Helper()
	f := &eventlog.Follower{Store: s.events, Position: s, Archiver: &eventlog.Archiver{Ledger: s.ledger, Blobs: s.blobs, Now: s.clock.now, NewID: s.id}}
	must(s.t, f.CatchUp(s.t.Context()))
}

func (s *site) Archived(ctxT) (eventstore.Mark, error) { return s.logged, nil }
func (s *site) SetArchived(_ ctxT, m eventstore.Mark) error {
	s.logged = m
	return nil
}

// ids returns the ids of all events of the log.
func (s *site) ids() (ids []string) {
	s.t.Helper()
	head, err := s.ledger.Head(s.t.Context())
	must(s.t, err)
	must(s.t, s.log().Events(s.t.Context(), 0, head.Number, func(_ uint64, e *event.Event) error {
		ids = append(ids, strings.Clone(e.ID))
		return nil
	}))
	return ids
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStandbyHasTheLogOfItsPrimary(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a, b := newSite(t, "a", c), newSite(t, "b", c)
	primary, standby := a.primary(place), b.standby(place)
	for _, count := range []int{1, 7, 300} {
		a.happen(count)
		must(t, primary.Copy(t.Context()))
		must(t, standby.CatchUp(t.Context()))
		if diff := cmp.Diff(a.ids(), b.ids()); diff != "" {
			t.Fatal(diff)
		}
	}
	theirs, _ := a.ledger.Head(t.Context())
	ours, _ := b.ledger.Head(t.Context())
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Error(diff)
	}
	must(t, a.primary(place).Copy(t.Context())) // by a new process
	if err := b.primary(place).Copy(t.Context()); err != nil {
		t.Errorf("the copy of a log is not the log: %v", err)
	}
}

func TestAPromotedStandbyGoesOnAndTheOldPrimaryStops(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a, b := newSite(t, "a", c), newSite(t, "b", c)
	old := a.primary(place)
	a.happen(3)
	must(t, old.Copy(t.Context()))
	must(t, old.Contact(t.Context()))
	must(t, old.Allow())
	a.happen(2) // not copied, so it is lost

	done, err := b.standby(place).Fence(t.Context(), "test")
	must(t, err)
	if done.Number != 4 {
		t.Errorf("the fence is event %d, want 4", done.Number)
	}
	b.happen(1)
	promoted := b.primary(place)
	must(t, promoted.Copy(t.Context()))
	must(t, promoted.Contact(t.Context()))

	if err := old.Contact(t.Context()); !errors.Is(err, replica.ErrFenced) {
		t.Errorf("contact of the old primary: %v", err)
	}
	for name, p := range map[string]*replica.Primary{"the old primary": old, "its next process": a.primary(place)} {
		if err := p.Copy(t.Context()); !errors.Is(err, replica.ErrFenced) {
			t.Errorf("%s copies: %v", name, err)
		}
		if err := p.Allow(); !errors.Is(err, replica.ErrFenced) || fault.ClassOf(err) != fault.Infra {
			t.Errorf("%s acknowledges: %v", name, err)
		}
	}

	d, err := replica.Compare(t.Context(), a.log(), place)
	must(t, err)
	if diff := cmp.Diff(replica.Divergence{Common: 3, Ours: 5, Fenced: true}, d); diff != "" {
		t.Error(diff)
	}
	var lost []string
	must(t, replica.Lost(t.Context(), a.log(), place, d, func(e *event.Event) error {
		lost = append(lost, strings.Clone(e.ID))
		return nil
	}))
	if diff := cmp.Diff(a.ids()[3:], lost); diff != "" {
		t.Error(diff)
	}
}

func TestAFenceTakesInWhatIsThere(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a, b := newSite(t, "a", c), newSite(t, "b", c)
	primary := a.primary(place)
	a.happen(2)
	must(t, primary.Copy(t.Context()))
	standby := b.standby(&meanwhile{Blobs: place, do: func() { // before the first fence is put
		a.happen(4)
		must(t, primary.Copy(t.Context()))
	}})
	done, err := standby.Fence(t.Context(), "test")
	must(t, err)
	if done.Number != 7 {
		t.Errorf("the fence is event %d, want 7", done.Number)
	}
	if diff := cmp.Diff(a.ids(), b.ids()[:6]); diff != "" {
		t.Error(diff)
	}
}

// meanwhile does something before the first create.
type meanwhile struct {
	eventlog.Blobs
	do func()
}

func (m *meanwhile) Create(ctx ctxT, key string, data []byte) error {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Blobs.Create(ctx, key, data)
}

func TestTheLeaseCountsFromTheQuestion(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a := newSite(t, "a", c)
	slow := &slowly{Blobs: place, clock: c}
	primary := a.primary(slow)
	if err := primary.Allow(); !errors.Is(err, replica.ErrNoLease) {
		t.Errorf("before the first contact: %v", err)
	}
	slow.by = 6 * time.Second
	must(t, primary.Contact(t.Context()))
	must(t, primary.Allow())
	c.at = c.at.Add(3999 * time.Millisecond)
	must(t, primary.Allow())
	c.at = c.at.Add(time.Millisecond)
	if err := primary.Allow(); !errors.Is(err, replica.ErrNoLease) {
		t.Errorf("a lease after the question: %v", err)
	}
	slow.by = 11 * time.Second
	must(t, primary.Contact(t.Context()))
	if err := primary.Allow(); !errors.Is(err, replica.ErrNoLease) {
		t.Errorf("after an answer that took longer than the lease: %v", err)
	}
	manual := a.primary(place)
	manual.About.LeaseMs = 0
	must(t, manual.Allow())
}

// slowly is a place whose entries take long to be read.
type slowly struct {
	eventlog.Blobs
	clock *clock
	by    time.Duration
}

func (s *slowly) Get(ctx ctxT, key string) ([]byte, error) {
	s.clock.at = s.clock.at.Add(s.by)
	return s.Blobs.Get(ctx, key)
}

// A put whose response was lost is repeated after the standby has taken the segment in and fenced: that the entry
// is there is no sign of life.
func TestAnEntryThatIsThereRenewsNoLease(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a, b := newSite(t, "a", c), newSite(t, "b", c)
	lossy := &lossy{Blobs: place}
	primary := a.primary(lossy)
	must(t, primary.Contact(t.Context()))
	a.happen(1)
	lossy.lose = true
	if err := primary.Copy(t.Context()); err == nil {
		t.Fatal("the response was not lost")
	}
	_, err := b.standby(place).Fence(t.Context(), "test")
	must(t, err)
	c.at = c.at.Add(10 * time.Second)
	must(t, primary.Copy(t.Context()))
	if err := primary.Allow(); !errors.Is(err, replica.ErrNoLease) {
		t.Errorf("after a repeat of a put: %v", err)
	}
	if err := primary.Contact(t.Context()); !errors.Is(err, replica.ErrFenced) {
		t.Errorf("then: %v", err)
	}
}

// lossy loses the response of one create.
type lossy struct {
	eventlog.Blobs
	lose bool
}

func (l *lossy) Create(ctx ctxT, key string, data []byte) error {
	err := l.Blobs.Create(ctx, key, data)
	if l.lose {
		l.lose, err = false, fault.Unavailable(errors.New("the response was lost"))
	}
	return err
}

func TestAnotherLogIsLeftAlone(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a, b := newSite(t, "a", c), newSite(t, "b", c)
	a.happen(1)
	must(t, a.primary(place).Copy(t.Context()))
	b.happen(1)
	other := b.primary(place)
	other.About.LeaseMs = 0
	if err := other.Copy(t.Context()); !errors.Is(err, replica.ErrOtherLog) {
		t.Errorf("copying into it: %v", err)
	}
	if err := other.Allow(); !errors.Is(err, replica.ErrOtherLog) {
		t.Errorf("then: %v", err)
	}
	if _, err := replica.Compare(t.Context(), b.log(), place); !errors.Is(err, replica.ErrOtherLog) {
		t.Errorf("rejoining it: %v", err)
	}
	about, err := replica.ReadAbout(t.Context(), place)
	must(t, err)
	if diff := cmp.Diff(replica.About{URL: "http://a", LeaseMs: 10_000}, about); diff != "" {
		t.Error(diff)
	}
}

func TestADamagedSegmentIsNotTakenIn(t *testing.T) {
	t.Parallel()
	c, place := newClock(), memory.NewBlobs()
	a, b := newSite(t, "a", c), newSite(t, "b", c)
	a.happen(5)
	must(t, a.primary(place).Copy(t.Context()))
	segments, err := place.List(t.Context(), eventlog.SegmentFolder, "", 10)
	must(t, err)
	must(t, place.Put(t.Context(), segments[0].Key, []byte("damaged")))
	if err := b.standby(place).CatchUp(t.Context()); !errors.Is(err, replica.ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if head, err := b.events.Head(t.Context()); err != nil || head > 0 {
		t.Errorf("the store has %d events (%v)", head, err)
	}
}

type ctxT = context.Context
