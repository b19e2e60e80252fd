package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// failingAt counts the calls of a follower's ports and fails one of them.
type failingAt struct {
	*store
	*position
	at, calls int
	failed    string
}

func (f *failingAt) call(name string) error {
	if f.calls++; f.calls != f.at {
		return nil
	}
	f.failed = name
	return errBusy
}

func (f *failingAt) Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if err := f.call("Since"); err != nil {
		return nil, m, err
	}
	return f.store.Since(ctx, m, limit)
}

func (f *failingAt) Head(ctx context.Context) (uint64, error) {
	if err := f.call("Head"); err != nil {
		return 0, err
	}
	return f.store.Head(ctx)
}

func (f *failingAt) Holds(ctx context.Context, m eventstore.Mark) error {
	if err := f.call("Holds"); err != nil {
		return err
	}
	return f.store.Holds(ctx, m)
}

func (f *failingAt) MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error) {
	if err := f.call("MarkAfter"); err != nil {
		return eventstore.Mark{}, err
	}
	return f.store.MarkAfter(ctx, number, count)
}

func (f *failingAt) Archived(ctx context.Context) (eventstore.Mark, error) {
	if err := f.call("Archived"); err != nil {
		return eventstore.Mark{}, err
	}
	return f.position.Archived(ctx)
}

func (f *failingAt) SetArchived(ctx context.Context, m eventstore.Mark) error {
	if err := f.call("SetArchived"); err != nil {
		return err
	}
	return f.position.SetArchived(ctx, m)
}

func TestEveryFailureOfTheStoreDelaysTheArchiverAndLosesNothing(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		l, s := newLog(), newStore()
		f := following(l, s)
		ports := &failingAt{store: s, position: &position{}, at: at}
		f.Store, f.Position, f.Events = ports, ports, 2
		s.append(some(0, 5)...)
		err := f.CatchUp(t.Context())
		if ports.failed == "" {
			if err != nil || at < 15 {
				t.Errorf("%d calls, then %v", at, err)
			}
			return
		}
		if !errors.Is(err, errBusy) {
			t.Errorf("call %d (%s) failed and CatchUp says %v", at, ports.failed, err)
		}
		if err := f.CatchUp(t.Context()); err != nil {
			t.Errorf("after call %d (%s): %v", at, ports.failed, err)
		}
		if n := counts(l.read(t)); len(n) != 5 {
			t.Errorf("after call %d (%s): %d events are in the log, want 5", at, ports.failed, len(n))
		}
		if m := ports.position.mark; m.Number != 5 || m.ID != "f-4" {
			t.Errorf("after call %d (%s): archived up to %+v", at, ports.failed, m)
		}
		l.wantHead(t, 5, 3)
	}
}

func TestASingleLastEventIsArchived(t *testing.T) {
	t.Parallel()
	for name, archive := range map[string]func(t *testing.T, f *eventlog.Follower) error{
		"caught up": func(t *testing.T, f *eventlog.Follower) error { return f.CatchUp(t.Context()) },
		"followed": func(t *testing.T, f *eventlog.Follower) error {
			stop := run(t, t.Context(), f)
			time.Sleep(time.Minute) // of the bubble: longer than any event lingers
			stop()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, s := newLog(), newStore()
				f := following(l, s)
				for i := range 3 {
					s.append(some(i, 1)...)
					if n, err := f.Waiting(t.Context()); err != nil || n != 1 {
						t.Errorf("%d events wait, %v; want 1", n, err)
					}
					if err := archive(t, f); err != nil {
						t.Error(err)
					}
					l.wantHead(t, uint64(i)+1, uint64(i)+1)
				}
			})
		})
	}
}

func TestAnArchiverTriesAgainAfterGrowingPausesThatBeginAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLog(), newStore()
		f := following(l, s)
		f.Linger, f.Poll = 0, time.Hour
		s.append(some(0, 1)...)
		ctx, stop := context.WithCancel(t.Context())
		looks := &looking{position: &position{}, last: time.Now(), works: func(nth int) bool {
			if nth == 18 {
				stop()
			}
			return nth >= 4 && nth <= 14 // one segment is archived, and nothing waits
		}}
		f.Position = looks
		if err := f.Run(ctx); err != nil {
			t.Errorf("it ended with %v", err)
		}
		ms := time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 50 * ms, 100 * ms, 200 * ms}, looks.gaps[:4]); diff != "" {
			t.Errorf("pauses before the first looks (-want +got):\n%s", diff)
		}
		if got := looks.gaps[15]; got != 50*ms {
			t.Errorf("after a success the first pause is %s, want 50ms", got)
		}
	})
}

// looking notes when the position is asked for.
type looking struct {
	*position
	last  time.Time
	gaps  []time.Duration
	works func(nth int) bool
}

func (l *looking) Archived(ctx context.Context) (eventstore.Mark, error) {
	l.gaps, l.last = append(l.gaps, time.Since(l.last)), time.Now()
	if !l.works(len(l.gaps)) {
		return eventstore.Mark{}, errBusy
	}
	return l.position.Archived(ctx)
}

func TestABatchIsNotInBeforeItsManifestIs(t *testing.T) {
	t.Parallel()
	l := newLog()
	fails := true
	s := &shaky{ledger: l.ledger, blobs: keyed{l.blobs, func(key string) error {
		if fails && strings.HasPrefix(key, eventlog.ManifestFolder) {
			return errBusy
		}
		return nil
	}}, before: never, after: never}
	a := l.archiver(s, s)
	for try := range 3 { // the others find the claim of the first
		s.before = never
		if try == 2 {
			fails, s.before = false, func(call string) error { return map[string]error{"Manifests": errBusy}[call] }
		}
		if _, err := a.Commit(t.Context(), records("s", 0, 3)); !errors.Is(err, errBusy) {
			t.Errorf("got %v, want that the manifest could not be written", err)
		}
	}
	s.before = never
	if done, err := a.Commit(t.Context(), records("s", 0, 3)); err != nil || done.Records != 3 || done.Last != 3 {
		t.Errorf("got %+v, %v", done, err)
	}
	l.wantManifests(t)
}

// keyed asks before each put of a key.
type keyed struct {
	eventlog.Blobs
	before func(key string) error
}

func (k keyed) Put(ctx context.Context, key string, data []byte) error {
	if err := k.before(key); err != nil {
		return err
	}
	return k.Blobs.Put(ctx, key, data)
}

func TestAFrameOfAnotherCountThanItsManifestSaysIsDamaged(t *testing.T) {
	t.Parallel()
	l := written(t, 1)
	manifests, err := l.ledger.Manifests(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []int{-1, 1} {
		m := manifests[0]
		f := m.Frames[0]
		f.Count += more
		if lines, err := l.reader().ReadFrame(t.Context(), &m, f, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d were written", f.Count)) {
			t.Errorf("a frame with %d lines more than it has: %d bytes, %v", more, len(lines), err)
		}
	}
}
