package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"

	"github.com/google/go-cmp/cmp"
)

func newStore(t *testing.T) *Events {
	t.Helper()
	s, err := OpenEvents(t.Context(), filepath.Join(t.TempDir(), "events.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newEvent() event.Event {
	return event.Event{ID: observe.NewID(), Type: order.PlacedType, OccurredAt: 1, CorrelationID: "c", Schema: 2, Payload: []byte(`{"orderId":"o1"}`)}
}

// hold takes the write lock of a file, as another process would.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() { tx.Rollback(); db.Close() }
}

// await waits for something that another goroutine is about to do.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestWaitingAppendsShareACommitWithoutSpoilingEachOther(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if err := s.Append(t.Context(), "order-taken", 0, []event.Event{newEvent()}); err != nil {
		t.Fatal(err)
	}
	release := hold(t, s.Path())
	const appends = 64
	errs := make([]error, appends)
	var wg sync.WaitGroup
	for i := range appends {
		wg.Go(func() {
			stream := fmt.Sprintf("order-%d", i)
			if i%8 == 0 {
				stream = "order-taken"
			}
			errs[i] = s.Append(t.Context(), stream, 0, []event.Event{newEvent(), newEvent()})
		})
	}
	await(t, "all appends wait", func() bool { return len(s.queue) == appends-1 })
	release()
	wg.Wait()
	for i, err := range errs {
		if i%8 == 0 && !errors.Is(err, eventstore.ErrConflict) || i%8 != 0 && err != nil {
			t.Errorf("append %d: %v", i, err)
		}
	}
	head, err := s.Head(t.Context())
	if err != nil || head != 1+2*appends*7/8 {
		t.Errorf("the head is %d: %v", head, err)
	}
}

func TestAnAppendThatIsCancelledWhileItWaitsIsNotDone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	release := hold(t, s.Path())
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make(chan error, 3)
	for i := range 3 {
		go func() { outcomes <- s.Append(ctx, fmt.Sprintf("order-%d", i), 0, []event.Event{newEvent()}) }()
	}
	await(t, "the appends wait", func() bool { return len(s.queue) == 2 })
	cancel()
	for range 3 { // they return although the lock is still held
		if err := <-outcomes; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	}
	release()
	if err := s.Append(t.Context(), "order-after", 0, []event.Event{newEvent()}); err != nil {
		t.Fatal(err)
	}
	if names, _, err := s.Streams(t.Context(), eventstore.All, "", 10); err != nil || len(names) != 1 {
		t.Errorf("streams are %q, %v", names, err)
	}
}

func TestCloseRefusesAppendsThatWait(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := 0
	for i := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				err := s.Append(t.Context(), fmt.Sprintf("order-%d-%d", i, n), 0, []event.Event{newEvent()})
				if err != nil {
					if fault.ClassOf(err) != fault.Infra {
						t.Errorf("after Close: %v, which is %s", err, fault.ClassOf(err))
					}
					return
				}
				mu.Lock()
				acknowledged++
				mu.Unlock()
			}
		})
	}
	await(t, "some are in", func() bool { mu.Lock(); defer mu.Unlock(); return acknowledged > 20 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if _, err := s.Load(t.Context(), "order-0-0", 0); fault.ClassOf(err) != fault.Infra {
		t.Errorf("a read after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	again, err := OpenEvents(t.Context(), s.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if head, err := again.Head(t.Context()); err != nil || head != uint64(acknowledged) {
		t.Errorf("%d appends were acknowledged, %d are there: %v", acknowledged, head, err)
	}
}

func TestAppendedWakesEveryFollower(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const followers, events = 5, 50
	var wg sync.WaitGroup
	for range followers {
		wg.Go(func() {
			seen := 0
			for cursor := ""; seen < events; {
				appended := s.Appended()
				page, next, err := s.Read(t.Context(), cursor, 3)
				if err != nil {
					t.Error(err)
					return
				}
				seen += len(page)
				if cursor = next; len(page) == 0 {
					<-appended // a lost wake-up would hang here
				}
			}
		})
	}
	for i := range events {
		if err := s.Append(t.Context(), "order-1", uint64(i), []event.Event{newEvent()}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

func TestAppendAllIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	before := s.Appended()
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	type add = func(string, uint64, []event.Event) error
	for name, f := range map[string]func(add add) error{
		"f fails":        func(add) error { return boom },
		"an add fails":   func(add add) error { return add("order-1", 7, []event.Event{newEvent()}) },
		"an event fails": func(add add) error { return add("order-1", 1, []event.Event{{}}) },
		"ctx ends":       func(add) error { cancel(); return nil },
	} {
		callCtx := t.Context()
		if name == "ctx ends" {
			callCtx = ctx
		}
		err := s.AppendAll(callCtx, func(add add) error {
			if err := add("order-1", 0, []event.Event{newEvent()}); err != nil {
				return err
			}
			return f(add)
		})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if head, err := s.Head(t.Context()); err != nil || head != 0 {
		t.Errorf("%d events are there: %v", head, err)
	}
	select {
	case <-before:
		t.Error("followers were told of events that are not there")
	default:
	}
	many := func(add add) error {
		for i := range 500 {
			if err := add(fmt.Sprintf("order-%d", i%100), uint64(i/100), []event.Event{newEvent()}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.AppendAll(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if err := s.AppendAll(t.Context(), many); !errors.Is(err, eventstore.ErrConflict) {
		t.Errorf("the same again: %v", err)
	}
	if head, err := s.Head(t.Context()); err != nil || head != 500 {
		t.Errorf("%d events are there: %v", head, err)
	}
	<-before
}

func TestEventsThatCouldNotBeReadAgainAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, payload := range []string{``, ` `, `null`, `[]`, `"x"`, `{`, `{}}`, `{} `, ` {}`, `{},"eventId":"x"`, "{\"a\":\"x\ny\"}", "{\n", "\n{}"} {
		e := newEvent()
		e.Payload = []byte(payload)
		if err := s.Append(t.Context(), "order-1", 0, []event.Event{e}); err == nil {
			t.Errorf("payload %q was taken", payload)
		}
	}
	late := newEvent()
	late.OccurredAt = 1 << 60
	if err := s.Append(t.Context(), "order-1", 0, []event.Event{late}); err == nil {
		t.Error("a time that cannot be written was taken")
	}
	if err := s.Append(t.Context(), "order-\x00", 0, []event.Event{newEvent()}); err == nil {
		t.Error("a stream with a NUL was taken")
	}
}

func TestAFeedThatIsNotTheOneOfItsCursorSaysSo(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	events := []event.Event{newEvent(), newEvent(), newEvent()}
	if err := s.Append(t.Context(), "order-1", 0, events); err != nil {
		t.Fatal(err)
	}
	for _, cursor := range []string{"3", "3/" + events[2].ID} {
		if _, next, err := s.Read(t.Context(), cursor, 10); err != nil || next != cursor {
			t.Errorf("at the end: cursor %q, %v", next, err)
		}
	}
	if got, next, err := s.Read(t.Context(), "1", 10); err != nil || len(got) != 2 || next != "3/"+events[2].ID {
		t.Errorf("from a cursor without an id: %d events, cursor %q, %v", len(got), next, err)
	}
	for _, cursor := range []string{"4", "4/e4", "3/" + events[1].ID, "1/e1"} {
		if _, _, err := s.Read(t.Context(), cursor, 10); !errors.Is(err, eventstore.ErrOtherStore) || !strings.Contains(err.Error(), s.Path()) {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
}

func TestAFeedThatHasLostEventsIsReadOverTheHole(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for i := range 9 {
		if err := s.Append(t.Context(), fmt.Sprintf("order-%d", i), 0, []event.Event{newEvent()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.write.ExecContext(t.Context(), "DELETE FROM events WHERE position IN (2, 5, 6)"); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 2, 4, 10} {
		read := 0
		for cursor := ""; ; {
			events, next, err := s.Read(t.Context(), cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			read += len(events)
			if cursor = next; len(events) == 0 {
				break
			}
		}
		if read != 6 {
			t.Errorf("%d at a time: %d events, want 6", limit, read)
		}
	}
}

func TestEventsSinceAMarkComeWithTheMarkOfTheLast(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	events := []event.Event{newEvent(), newEvent(), newEvent(), newEvent()}
	if err := s.Append(t.Context(), "order-1", 0, events); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.write.ExecContext(t.Context(), "DELETE FROM events WHERE position = 2"); err != nil {
		t.Fatal(err)
	}
	mark := func(number uint64) eventstore.Mark { return eventstore.Mark{Number: number, ID: events[number-1].ID} }
	for _, c := range []struct {
		after, last eventstore.Mark
		count       int
	}{
		{after: eventstore.Mark{}, last: mark(1), count: 1}, // up to the missing number
		{after: mark(1), last: mark(4), count: 2},
		{after: mark(2), last: mark(4), count: 2}, // its event was deleted
		{after: eventstore.Mark{Number: 3}, last: mark(4), count: 1},
		{after: mark(4), last: mark(4), count: 0},
	} {
		got, last, err := s.Since(t.Context(), c.after, 2)
		if err := s.Holds(t.Context(), c.after); err != nil {
			t.Errorf("held %+v: %v", c.after, err)
		}
		if err != nil || last != c.last || len(got) != c.count || c.count > 0 && got[c.count-1].ID != last.ID {
			t.Errorf("after %+v: %d events up to %+v, %v; want %d up to %+v", c.after, len(got), last, err, c.count, c.last)
		}
	}
	for _, other := range []eventstore.Mark{{Number: 5}, {Number: 1, ID: events[2].ID}} {
		if _, _, err := s.Since(t.Context(), other, 2); !errors.Is(err, eventstore.ErrOtherStore) {
			t.Errorf("after %+v: %v", other, err)
		}
		if err := s.Holds(t.Context(), other); !errors.Is(err, eventstore.ErrOtherStore) {
			t.Errorf("held %+v: %v", other, err)
		}
	}
}

func TestAStreamThatHasLostItsFirstEventIsListed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	want := []string{"order-1", "order-2", "order-3"}
	for _, stream := range want {
		if err := s.Append(t.Context(), stream, 0, []event.Event{newEvent(), newEvent(), newEvent()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.write.ExecContext(t.Context(), "DELETE FROM events WHERE version = 1 AND stream <> 'order-1'"); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 2, 3, 10} {
		var got []string
		for cursor := ""; ; {
			names, next, err := s.Streams(t.Context(), eventstore.All, cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, names...)
			if cursor = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("streams in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestPagesOfNothingAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, limit := range []int{0, -1} {
		if _, _, err := s.Streams(t.Context(), eventstore.All, "", limit); err == nil {
			t.Errorf("Streams took a limit of %d", limit)
		}
		if _, _, err := s.Read(t.Context(), "", limit); err == nil {
			t.Errorf("Read took a limit of %d", limit)
		}
	}
}
