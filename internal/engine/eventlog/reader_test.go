package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// written is a log of so many segments of ten events.
func written(t *testing.T, segments int) *log {
	t.Helper()
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	for n := range segments {
		if _, err := a.Commit(t.Context(), records("s", n*10, 10)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestEveryRangeOfTheLogIsReadExactly(t *testing.T) {
	t.Parallel()
	l := written(t, 4)
	all := l.read(t)
	for after := range uint64(42) {
		for upTo := range uint64(44) {
			var numbers []uint64
			err := l.reader().Events(t.Context(), after, upTo, func(number uint64, e *event.Event) error {
				numbers = append(numbers, number)
				if number < 1 || number > 40 || e.ID != all[number-1].ID {
					return fmt.Errorf("number %d is %s", number, e.ID)
				}
				return nil
			})
			var want []uint64
			for n := after + 1; n <= min(upTo, 40); n++ {
				want = append(want, n)
			}
			if err != nil || !slices.Equal(want, numbers) {
				t.Errorf("after %d up to %d: %v, %v", after, upTo, numbers, err)
			}
		}
	}
}

func TestManifestsAreReadOverManyPages(t *testing.T) {
	t.Parallel()
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	const segments = 1003
	for n := range segments {
		if _, err := a.Commit(t.Context(), records("s", n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, after := range []uint64{0, 1, 3, 502, 503, 1002, 1003, 2000} {
		next := after
		err := l.reader().Manifests(t.Context(), after, 1000, func(m *eventlog.Manifest) error {
			if m.First != next+1 {
				return fmt.Errorf("segment %d after %d", m.First, next)
			}
			next = m.Last
			return nil
		})
		if err != nil || next != max(after, 1000) {
			t.Errorf("after %d: up to %d, %v", after, next, err)
		}
	}
}

func TestWhatTheCallerSaysEndsTheReading(t *testing.T) {
	t.Parallel()
	l := written(t, 3)
	enough := errors.New("enough")
	n := 0
	err := l.reader().Events(t.Context(), 0, 30, func(number uint64, _ *event.Event) error {
		if n++; number == 13 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 13 {
		t.Errorf("%d events, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = l.reader().Events(ctx, 0, 30, func(uint64, *event.Event) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n == 30 {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestFramesAreReadIntoOneBuffer(t *testing.T) {
	t.Parallel()
	l := written(t, 1)
	manifests, err := l.ledger.Manifests(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := manifests[0]
	buf := make([]byte, 0, 1<<20)
	whole := &buf[:1][0]
	var lines int
	for _, f := range m.Frames {
		got, err := l.reader().ReadFrame(t.Context(), &m, f, buf)
		if err != nil {
			t.Fatal(err)
		}
		if &got[0] != whole {
			t.Error("another buffer was made")
		}
		for line := range bytes.Lines(got) {
			var e event.Event
			if err := event.Decode(bytes.TrimSuffix(line, []byte("\n")), &e); err != nil || eventlog.PartitionOf(e.Stream) != f.Partition {
				t.Errorf("partition %d has %s, %v", f.Partition, line, err)
			}
			lines++
		}
	}
	if lines != m.Count() {
		t.Errorf("%d lines of %d events", lines, m.Count())
	}
}

func TestDamageIsToldAndNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, l *log, m *eventlog.Manifest)
		want  string
	}{
		"a byte that changed": {func(t *testing.T, l *log, m *eventlog.Manifest) {
			data, err := l.blobs.Get(t.Context(), m.Key)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := l.blobs.Put(t.Context(), m.Key, data); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		"an object that is missing": {func(t *testing.T, l *log, m *eventlog.Manifest) {
			if err := l.blobs.Delete(t.Context(), m.Key); err != nil {
				t.Fatal(err)
			}
		}, eventlog.ErrNoBlob.Error()},
		"an object that was cut off": {func(t *testing.T, l *log, m *eventlog.Manifest) {
			if err := l.blobs.Put(t.Context(), m.Key, []byte("short")); err != nil {
				t.Fatal(err)
			}
		}, "segment 11"},
		"an object of other lines": {func(t *testing.T, l *log, m *eventlog.Manifest) {
			other, err := l.ledger.Manifests(t.Context(), m.Last, 1)
			if err != nil {
				t.Fatal(err)
			}
			data, err := l.blobs.Get(t.Context(), other[0].Key)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.blobs.Put(t.Context(), m.Key, data); err != nil {
				t.Fatal(err)
			}
		}, m11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := written(t, 3)
			manifests, err := l.ledger.Manifests(t.Context(), 10, 1)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, l, &manifests[0])
			n := 0
			err = l.reader().Events(t.Context(), 0, 30, func(uint64, *event.Event) error { n++; return nil })
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) == fault.Infra {
				t.Errorf("%d events, %v; want %q", n, err, c.want)
			}
		})
	}
}

// m11 is in the name of every failure to read segment 11.
const m11 = "segment 11"

// fixed is a ledger that has what it is told.
type fixed struct {
	eventlog.Ledger
	manifests []eventlog.Manifest
}

func (f fixed) Manifests(_ context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	var page []eventlog.Manifest
	for _, m := range f.manifests {
		if m.Last > after && len(page) < limit {
			page = append(page, m)
		}
	}
	return page, nil
}

func TestALogThatIsNotDenseIsNotRead(t *testing.T) {
	t.Parallel()
	l := written(t, 4)
	good, err := l.ledger.Manifests(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(good)
	other[1].Partitions = 32
	for name, manifests := range map[string][]eventlog.Manifest{
		"the segment after 0 is from 11 to 20":  good[1:],
		"the segment after 10 is from 21 to 30": {good[0], good[2]},
		"is divided into 32 partitions":         other,
	} {
		r := &eventlog.Reader{Ledger: fixed{manifests: manifests}, Blobs: l.blobs}
		err := r.Manifests(t.Context(), 0, 40, func(*eventlog.Manifest) error { return nil })
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}
