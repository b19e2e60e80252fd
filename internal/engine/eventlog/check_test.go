package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestOnlyNamesWithSlashesBetweenAreKeys(t *testing.T) {
	t.Parallel()
	for key, ok := range map[string]bool{
		"a": true, "z/A-Z_0.9=b": true, "log/a.b": true, strings.Repeat("x", eventlog.MaxKeyBytes): true,
		"": false, "/": false, "/a": false, "a/": false, "a//b": false, ".a": false, "a/.b": false, "a/../b": false,
		"a b": false, "a\\b": false, "é": false, "a@": false, "a[": false, "a`": false, "a{": false, "a:": false, strings.Repeat("x", eventlog.MaxKeyBytes+1): false,
	} {
		if err := eventlog.CheckKey(key); (err == nil) != ok {
			t.Errorf("%.40q: %v", key, err)
		}
	}
	for prefix, ok := range map[string]bool{"": true, "a": true, "a/": true, "/": false, "a//": false, "../": false} {
		if err := eventlog.CheckPrefix(prefix); (err == nil) != ok {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

func TestAManifestThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	l := written(t, 2)
	good, err := l.ledger.Manifests(t.Context(), 0, 2)
	if err != nil || len(good) != 2 || len(good[0].Frames) < 3 {
		t.Fatal(good, err)
	}
	for name, spoil := range map[string]func(m *eventlog.Manifest){
		"no first event":                func(m *eventlog.Manifest) { m.First = 0 },
		"a last event before the first": func(m *eventlog.Manifest) { m.Last = m.First - 1 },
		"another last event":            func(m *eventlog.Manifest) { m.Last++ },
		"more bytes":                    func(m *eventlog.Manifest) { m.Bytes++ },
		"no key":                        func(m *eventlog.Manifest) { m.Key = "" },
		"other partitions":              func(m *eventlog.Manifest) { m.Partitions++ },
		"no frames":                     func(m *eventlog.Manifest) { m.Frames = nil },
		"a frame of no partition":       func(m *eventlog.Manifest) { m.Frames[len(m.Frames)-1].Partition = m.Partitions },
		"frames out of order":           func(m *eventlog.Manifest) { m.Frames[1].Partition = m.Frames[0].Partition },
		"a frame of nothing":            func(m *eventlog.Manifest) { m.Frames[0].Count = 0 },
		"a frame without bytes":         func(m *eventlog.Manifest) { m.Frames[0].Length = 0 },
		"a hole in the bytes":           func(m *eventlog.Manifest) { m.Frames[1].Offset++ },
		"a hole in the numbers":         func(m *eventlog.Manifest) { m.Frames[1].First++ },
	} {
		m := good[0]
		m.Frames = append([]eventlog.Frame(nil), m.Frames...)
		spoil(&m)
		if m.Check() == nil {
			t.Errorf("%s: the manifest is taken", name)
		}
		if err := eventlog.CheckRestore([]eventlog.Manifest{m, good[1]}); !errors.Is(err, eventlog.ErrNoFit) {
			t.Errorf("%s: restored: %v", name, err)
		}
		if c := (eventlog.Commit{Manifest: m, Source: "s", Records: 1}); c.Check() == nil {
			t.Errorf("%s: the commit is taken", name)
		}
	}
	for name, c := range map[string]eventlog.Commit{"no source": {Manifest: good[0], Records: 1}, "no records": {Manifest: good[0], Source: "s"}} {
		if c.Check() == nil {
			t.Errorf("%s: the commit is taken", name)
		}
	}
	for name, manifests := range map[string][]eventlog.Manifest{"twice the same": {good[0], good[0]}, "out of order": {good[1], good[0]}} {
		if err := eventlog.CheckRestore(manifests); !errors.Is(err, eventlog.ErrNoFit) {
			t.Errorf("%s: restored: %v", name, err)
		}
	}
	if err := errors.Join(good[0].Check(), eventlog.CheckRestore(good), eventlog.CheckRestore(good[1:]), eventlog.CheckRestore(nil)); err != nil {
		t.Errorf("manifests as they were written: %v", err)
	}
}

func TestEveryReadingOfWhichOneCallFailsFails(t *testing.T) {
	t.Parallel()
	l := written(t, 3)
	store := memory.NewEvents()
	e := records("s", 0, 1)[0].Event
	if err := store.Append(t.Context(), e.Stream, 0, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(r *eventlog.Reader) error{
		"events": func(r *eventlog.Reader) error {
			return r.Events(t.Context(), 0, 30, func(uint64, *event.Event) error { return nil })
		},
		"the whole head": func(r *eventlog.Reader) error { _, err := r.WholeHead(t.Context()); return err },
		"streams":        func(r *eventlog.Reader) error { _, err := r.Holding(t.Context(), []string{"order-nobody"}); return err },
		"numbers": func(r *eventlog.Reader) error {
			_, err := (&eventlog.Numberer{Log: r, Streams: store}).Numbers(t.Context(), e.Stream)
			return err
		},
	} {
		for n := 0; ; n++ {
			calls := 0
			s := &shaky{ledger: l.ledger, blobs: l.blobs, after: never, before: func(string) error {
				if calls++; calls-1 == n {
					return errBusy
				}
				return nil
			}}
			err := read(&eventlog.Reader{Ledger: s, Blobs: s})
			if calls <= n {
				if err != nil || n == 0 {
					t.Errorf("%s: %d calls, then %v", name, n, err)
				}
				break
			}
			if !errors.Is(err, errBusy) {
				t.Errorf("%s: call %d failed, and what comes is %v", name, n, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&eventlog.Numberer{Log: l.reader(), Streams: store}).Numbers(ctx, e.Stream); !errors.Is(err, context.Canceled) {
		t.Errorf("numbers of a stream that cannot be loaded: %v", err)
	}
}

func TestALineThatIsNoEventEndsTheReadingAndIsNamed(t *testing.T) {
	t.Parallel()
	l := newLog()
	batch := records("s", 0, 3)
	for i := range batch {
		batch[i].Event.Stream = "order-o1"
	}
	batch[1].Event.Type = "" // no reader takes that
	if _, err := l.archiver(l.ledger, l.blobs).Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := l.reader().Events(t.Context(), 0, 3, func(uint64, *event.Event) error { n++; return nil })
	if err == nil || !strings.Contains(err.Error(), "event 2 of the log cannot be read") || n != 1 {
		t.Errorf("%d events, then %v", n, err)
	}
	if held, err := l.reader().Holding(t.Context(), []string{"order-nobody", "order-o1"}); err == nil {
		t.Errorf("the log says that it holds %v", held)
	}
}

// claiming is a ledger whose claim is on a segment that it does not have.
type claiming struct{ eventlog.Ledger }

func (claiming) Claimed(context.Context, string) (eventlog.Claim, error) {
	return eventlog.Claim{First: 2, Records: 3}, nil
}

func TestAClaimOnASegmentThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	for _, segments := range []int{0, 1} { // none, and one that begins elsewhere
		l := newLog()
		if segments > 0 {
			l = written(t, segments)
		}
		if done, err := l.archiver(claiming{l.ledger}, l.blobs).Commit(t.Context(), records("s", 0, 3)); err == nil || !strings.Contains(err.Error(), "segment 2, which is not in the log") {
			t.Errorf("%d segments: %+v, %v", segments, done, err)
		}
	}
}

func TestNothingIsNoSegment(t *testing.T) {
	t.Parallel()
	l := newLog()
	if done, err := l.archiver(l.ledger, l.blobs).Commit(t.Context(), nil); err != nil || done != (eventlog.Archived{}) {
		t.Errorf("got %+v, %v", done, err)
	}
	l.wantHead(t, 0, 0)
}
