package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// store is an event store whose events have numbers.
type store struct {
	mu     sync.Mutex
	events []event.Event
	awake  chan struct{}
}

func newStore() *store { return &store{awake: make(chan struct{})} }

func (s *store) append(events ...event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	close(s.awake)
	s.awake = make(chan struct{})
}

func (s *store) appended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.awake
}

func (s *store) Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if err := s.Holds(ctx, m); err != nil {
		return nil, m, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events[m.Number:min(m.Number+uint64(limit), uint64(len(s.events)))]
	if len(events) > 0 {
		m = eventstore.Mark{Number: m.Number + uint64(len(events)), ID: events[len(events)-1].ID}
	}
	return events, m, nil
}

func (s *store) Head(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.events)), nil
}

func (s *store) Holds(_ context.Context, m eventstore.Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Number > uint64(len(s.events)) || m.ID != "" && s.events[m.Number-1].ID != m.ID {
		return eventstore.ErrOtherStore
	}
	return nil
}

func (s *store) MarkAfter(_ context.Context, number uint64, count int) (eventstore.Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := number + uint64(count)
	return eventstore.Mark{Number: at, ID: s.events[at-1].ID}, nil
}

// position is eventlog.Position in memory.
type position struct {
	mu     sync.Mutex
	mark   eventstore.Mark
	forget bool // what is set is not kept: a crash before that
}

func (p *position) Archived(context.Context) (eventstore.Mark, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mark, nil
}

func (p *position) SetArchived(_ context.Context, m eventstore.Mark) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forget {
		return errCrash
	}
	p.mark = m
	return nil
}

// some is so many events.
func some(from, count int) []event.Event {
	var all []event.Event
	for _, r := range records("f", from, count) {
		all = append(all, r.Event)
	}
	return all
}

func following(l *log, s *store) *eventlog.Follower {
	a := l.archiver(l.ledger, l.blobs)
	a.Now = time.Now
	return &eventlog.Follower{Store: s, Appended: s.appended, Position: &position{}, Archiver: a, Linger: 2 * time.Second, Poll: time.Second}
}

// run starts a follower; the function that is returned ends it.
func run(t *testing.T, ctx context.Context, f *eventlog.Follower) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// wantHead wants the log to have so many events in so many segments.
func (l *log) wantHead(t *testing.T, events, segments uint64) {
	t.Helper()
	if head, err := l.ledger.Head(t.Context()); err != nil || head.Number != events || head.Segments != segments {
		t.Errorf("the head is %+v, %v, want %d events in %d segments", head, err, events, segments)
	}
}

func TestEventsLingerSoThatSegmentsAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLog(), newStore()
		stop := run(t, t.Context(), following(l, s))
		defer stop()
		time.Sleep(time.Minute)
		l.wantHead(t, 0, 0)
		for n := range 15 {
			s.append(some(n, 1)...)
			time.Sleep(100 * time.Millisecond)
		}
		l.wantHead(t, 0, 0)
		time.Sleep(time.Second) // the first one has come 2.5 s ago
		l.wantHead(t, 15, 1)
		time.Sleep(time.Minute)
		l.wantHead(t, 15, 1)
		s.append(some(15, 1)...)
		time.Sleep(2500 * time.Millisecond)
		l.wantHead(t, 16, 2)
	})
}

func TestAFullSegmentDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLog(), newStore()
		f := following(l, s)
		f.Events = 700
		stop := run(t, t.Context(), f)
		defer stop()
		s.append(some(0, 2000)...)
		time.Sleep(time.Millisecond)
		l.wantHead(t, 1400, 2)
		time.Sleep(time.Second)
		s.append(some(2000, 100)...)
		time.Sleep(time.Second) // the last one is full by now
		l.wantHead(t, 2100, 3)
	})
}

func TestSegmentsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	l, s := newLog(), newStore()
	f := following(l, s)
	f.Bytes = 100_000
	events := some(0, 50)
	for i := range events {
		events[i].Payload = fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 30_000))
	}
	s.append(events...)
	if err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	manifests, err := l.ledger.Manifests(t.Context(), 0, 100)
	if err != nil || len(manifests) != 13 {
		t.Errorf("%d segments, %v", len(manifests), err)
	}
	for _, m := range manifests {
		if m.RawBytes > 100_000+31_000 {
			t.Errorf("segment %d has %d bytes", m.First, m.RawBytes)
		}
	}
	l.wantHead(t, 50, 13)
}

func TestADiskThatFailsDelaysTheArchiverAndIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		ctx := observe.WithLogger(t.Context(), observe.NewLogger(&lines, zerolog.InfoLevel, "archiver"))
		l, s := newLog(), newStore()
		var mended atomic.Bool
		disk := &shaky{ledger: l.ledger, blobs: l.blobs, after: never, before: func(call string) error {
			if call == "Put" && !mended.Load() {
				return errBusy
			}
			return nil
		}}
		f := following(l, s)
		f.Archiver.Ledger, f.Archiver.Blobs = disk, disk
		stop := run(t, ctx, f)
		s.append(some(0, 10)...)
		time.Sleep(10 * time.Minute)
		l.wantHead(t, 0, 0)
		mended.Store(true)
		time.Sleep(10 * time.Second)
		l.wantHead(t, 10, 1)
		stop()
		told := strings.Count(lines.String(), `"message":"archive:delayed"`)
		if told < 60 || told > 120 {
			t.Errorf("told %d times in 10 minutes", told)
		}
	})
}

func TestFollowersOfOneStoreShareTheWork(t *testing.T) {
	t.Parallel()
	l, s := newLog(), newStore()
	s.append(some(0, 500)...)
	one := following(l, s)
	one.Archiver.Retries.Tries = 1000
	var running sync.WaitGroup
	for n := range 4 {
		f := *one
		f.Events = 7 + n // they cut differently
		running.Go(func() {
			if err := f.CatchUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if waiting, err := one.Waiting(t.Context()); err != nil || waiting != 0 {
		t.Errorf("%d events wait, %v", waiting, err)
	}
	if n := len(l.read(t)); n != 500 {
		t.Errorf("%d events are in the log, of 500", n)
	}
	l.wantManifests(t)
}

func TestWhatWasCommittedBeforeACrashIsNotArchivedAgain(t *testing.T) {
	t.Parallel()
	l, s := newLog(), newStore()
	f := following(l, s)
	at := &position{forget: true}
	f.Position = at
	for _, more := range []int{10, 3, 0, 20} {
		s.append(some(len(s.events), more)...)
		if _, err := f.Once(t.Context()); !errors.Is(err, errCrash) {
			t.Errorf("got %v", err)
		}
	}
	at.forget = false
	s.append(some(33, 1)...)
	if err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.wantHead(t, 34, 4)
	if n := counts(l.read(t)); len(n) != 34 {
		t.Errorf("%d events", len(n))
	}
}

func TestAStoreThatIsNotTheOneThatWasArchivedIsNoticed(t *testing.T) {
	t.Parallel()
	l, s := newLog(), newStore()
	s.append(some(0, 10)...)
	f := following(l, s)
	if err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.events = s.events[:4:4]              // an older copy
	for _, more := range []int{0, 6, 20} { // with others, it comes to the number that was archived, and beyond
		s.append(some(200, more)...)
		if err := f.CatchUp(t.Context()); !errors.Is(err, eventstore.ErrOtherStore) {
			t.Errorf("with %d events more: %v", more, err)
		}
	}
	s.events = s.events[:4:4]
	f.Position = &position{mark: eventstore.Mark{Number: 4}} // put right by hand
	s.append(some(100, 6)...)
	if err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := counts(l.read(t)); len(n) != 16 {
		t.Errorf("%d different events: other events with the numbers of old ones were taken for those", len(n))
	}
}

func TestALogThatWasLostIsNoticed(t *testing.T) {
	t.Parallel()
	l, s := newLog(), newStore()
	s.append(some(0, 10)...)
	f := following(l, s)
	if err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty := following(newLog(), s)
	empty.Position = f.Position
	s.append(some(10, 1)...)
	if _, err := empty.Waiting(t.Context()); !errors.Is(err, eventlog.ErrLedgerBehind) {
		t.Errorf("what waits: %v", err)
	}
	if err := empty.CatchUp(t.Context()); !errors.Is(err, eventlog.ErrLedgerBehind) {
		t.Errorf("archiving: %v", err)
	}
}
