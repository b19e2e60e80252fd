package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/replay"
)

func TestTheFirstBadLineEndsTheReplay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ log, want string }{
		"not JSON":            {seed + "oops\n" + seed + "{}", "test.jsonl:3: byte 1: expected '{', the beginning of an event, found 'o'"},
		"behind blank lines":  {"\n\n" + `{"eventId":"e1"}`, "test.jsonl:3: type is missing"},
		"a line that was cut": {seed + seed[:50], "test.jsonl:3: byte 51: expected a value, found the end"},
		"an array":            {"[\n" + seed + "]", "test.jsonl:1: byte 1: expected '{', the beginning of an event, found '['"},
		"UTF-16":              {"\xff\xfe{\x00", "test.jsonl:1: byte 1: the text is not valid UTF-8"},
		"a NUL":               {"\x00\n", `test.jsonl:1: byte 1: expected '{', the beginning of an event, found '\x00'`},
	} {
		for _, chunk := range []int{1, 100, 1 << 20} {
			t.Run(fmt.Sprintf("%s in chunks of %d", name, chunk), func(t *testing.T) {
				t.Parallel()
				o := options()
				o.ChunkBytes = chunk
				_, err := replay.FromReader(t.Context(), strings.NewReader(tc.log), o)
				var bad *replay.BadLine
				if !errors.As(err, &bad) || err.Error() != tc.want {
					t.Errorf("FromReader = %v\nwant %s", err, tc.want)
				}
			})
		}
	}
}

func TestBadLinesCanBeLeftOut(t *testing.T) {
	t.Parallel()
	log := "bad 1\n" + seed + "\n bad 2\r\n" + strings.ReplaceAll(seed, "o1", "o2") + "bad 3"
	var got []string
	o := options()
	o.ChunkBytes = 50
	o.OnBad = func(b *replay.BadLine) error {
		got = append(got, fmt.Sprintf("%d %s", b.Line, b.Text))
		return nil
	}
	r, err := replay.FromReader(t.Context(), strings.NewReader(log), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 bad 1", "5  bad 2\r", "8 bad 3"}, got); diff != "" {
		t.Error(diff)
	}
	wantStatuses(t, r, "o1 780 PAID @2", "o2 780 PAID @2")
	if diff := cmp.Diff(replay.Progress{Bytes: int64(len(log)), Lines: 8, Blank: 1, Bad: 3, Events: 4}, r.Progress); diff != "" {
		t.Error(diff)
	}
}

func TestWhatOnBadAnswersEndsTheReplay(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	o := options()
	o.OnBad = func(*replay.BadLine) error { return full }
	if _, err := replay.FromReader(t.Context(), strings.NewReader("x\n"), o); !errors.Is(err, full) {
		t.Errorf("FromReader = %v", err)
	}
}

func TestHugeLines(t *testing.T) {
	t.Parallel()
	padded := func(size int) string {
		return strings.Replace(line("e9", "OrderPlaced", "big", `,"total":1`), `{`, `{"padding":"`+strings.Repeat("x", size)+`",`, 1)
	}
	t.Run("of some megabytes are read", func(t *testing.T) {
		t.Parallel()
		wantStatuses(t, replayed(t, seed+padded(5<<20)+"\n"), "o1 780 PAID @2", "big 1 ORDERED @1")
	})
	t.Run("are refused beyond the limit", func(t *testing.T) {
		t.Parallel()
		_, err := replay.FromReader(t.Context(), strings.NewReader(seed+padded(replay.MaxLineBytes)+"\n"), options())
		if want := "test.jsonl:3: the line is longer than 16 MiB: is this a log of one JSON object a line?"; err == nil || err.Error() != want {
			t.Errorf("FromReader = %v", err)
		}
	})
	t.Run("without an end are not read to the end", func(t *testing.T) {
		t.Parallel()
		zeros := &endless{}
		_, err := replay.FromReader(t.Context(), io.MultiReader(strings.NewReader(seed), zeros), options())
		if err == nil || !strings.Contains(err.Error(), "test.jsonl:3: the line is longer than 16 MiB") {
			t.Errorf("FromReader = %v", err)
		}
		if zeros.read > 4*replay.MaxLineBytes {
			t.Errorf("%d bytes were read", zeros.read)
		}
	})
}

// endless is a file without newlines and without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestReadersThatFailOrDawdle(t *testing.T) {
	t.Parallel()
	t.Run("a failure is told with the name", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("input/output error")
		_, err := replay.FromReader(t.Context(), io.MultiReader(strings.NewReader(seed), iotest.ErrReader(broken)), options())
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "test.jsonl: reading: ") {
			t.Errorf("FromReader = %v", err)
		}
	})
	t.Run("one byte at a time is enough", func(t *testing.T) {
		t.Parallel()
		r, err := replay.FromReader(t.Context(), iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(seed))), options())
		if err != nil {
			t.Fatal(err)
		}
		wantStatuses(t, r, "o1 780 PAID @2")
	})
}

func TestACancelledReplayStops(t *testing.T) {
	t.Parallel()
	t.Run("before it starts", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := replay.FromReader(ctx, strings.NewReader(seed), options()); !errors.Is(err, context.Canceled) {
			t.Errorf("FromReader = %v", err)
		}
	})
	t.Run("in the middle of a log without end", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		o := options()
		o.Progress = func(p replay.Progress) {
			if p.Events > 1000 {
				cancel()
			}
		}
		if _, err := replay.FromReader(ctx, &repeated{text: []byte(seed)}, o); !errors.Is(err, context.Canceled) {
			t.Errorf("FromReader = %v", err)
		}
	})
}

// repeated is a log that says the same again and again.
type repeated struct {
	text []byte
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(p), nil
}
