package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"gakushoku/internal/observe/sink"
)

// disk takes so many bytes, the last of them in the middle of a line.
type disk struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// pipe blocks its writer until somebody reads.
type pipe struct {
	bytes.Buffer
	read chan struct{}
}

func (p *pipe) Write(line []byte) (int, error) {
	<-p.read
	return p.Buffer.Write(line)
}

// messages are the lines by their number or message, with how many log:lost says are missing.
func messages(t rapid.TB, text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		var l struct {
			N       *int
			Message string
			Lines   int
		}
		switch err := json.Unmarshal([]byte(line), &l); {
		case err != nil:
			found = append(found, "torn")
		case l.N != nil:
			found = append(found, fmt.Sprint(*l.N))
		default:
			found = append(found, fmt.Sprintf("%s %d", l.Message, l.Lines))
		}
	}
	return found
}

func number(s io.Writer, n int) { fmt.Fprintf(s, "{\"n\":%d}\n", n) } //nolint:errcheck // a sink does not fail

func TestWritersGoOnWhenNobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, failing := &pipe{read: make(chan struct{})}, 0
		s := sink.New(out, sink.Options{Name: "stderr", Bytes: 3 * len("{\"n\":0}\n"), Failing: func(error) { failing++ }})
		for n := range 6 {
			number(s, n)
		}
		if s.Lost() != 3 || failing != 1 {
			t.Errorf("%d lines lost, told %d times", s.Lost(), failing)
		}
		close(out.read)
		synctest.Wait()
		number(s, 6)
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"0", "1", "2", "log:lost 3", "6"}, messages(t, out.String())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestClosingASinkThatNobodyReadsEnds(t *testing.T) {
	t.Parallel()
	out := &pipe{read: make(chan struct{})}
	s := sink.New(out, sink.Options{Name: "stderr"})
	number(s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "stderr: 8 bytes could not be written") {
		t.Errorf("%v", err)
	}
	number(s, 2)
	if s.Lost() != 1 {
		t.Errorf("%d lines lost", s.Lost())
	}
	close(out.read)
}

func TestAFullDiskTearsNoOtherLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, failing := &disk{room: len("{\"n\":0}\n") + 3}, 0
		s := sink.New(out, sink.Options{Name: "file", Failing: func(err error) {
			failing++
			if !errors.Is(err, errFull) {
				t.Error(err)
			}
		}})
		for n := range 4 {
			number(s, n)
			synctest.Wait()
		}
		out.room = 1 << 10
		number(s, 4)
		number(s, 5)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"0", "torn", "log:lost 3", "4", "5"}, messages(t, out.String())); diff != "" {
			t.Error(diff)
		}
		for _, want := range []string{`"level":"error"`, `"sink":"file"`, `"since":"`, errFull.Error(), `"errorClass":"infra"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %s in %s", want, out)
			}
		}
		if failing != 1 || s.Lost() != 3 {
			t.Errorf("told %d times, %d lines lost", failing, s.Lost())
		}
	})
}

func TestOutputThatEndsInTheMiddleOfALineIsGoneOnWith(t *testing.T) {
	t.Parallel()
	out := &disk{room: 1 << 10}
	out.WriteString(`{"n":`)
	s := sink.New(out, sink.Options{Torn: true})
	number(s, 1)
	if err := s.Close(t.Context()); err != nil || out.String() != "{\"n\":\n{\"n\":1}\n" {
		t.Errorf("%q %v", out, err)
	}
}

func TestAPartOfALineIsTakenBack(t *testing.T) {
	t.Parallel()
	out := &disk{room: len("{\"n\":0}\n") + 3}
	w := sink.Whole(out, sink.Options{Level: zerolog.Disabled, Cut: func(n int64) error {
		out.Truncate(out.Len() - int(n))
		return nil
	}})
	number(w, 0)
	if _, err := io.WriteString(w, "{\"n\":1}\n"); !errors.Is(err, errFull) {
		t.Error(err)
	}
	out.room = 1 << 10
	number(w, 2)
	if diff := cmp.Diff([]string{"0", "2"}, messages(t, out.String())); diff != "" {
		t.Error(diff)
	}
}

// Whatever a disk takes, every line is there whole or is counted at its place.
func TestEveryLineIsThereOrMissed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		out := &disk{}
		s := sink.New(out, sink.Options{Level: zerolog.InfoLevel, Bytes: rapid.IntRange(1, 200).Draw(t, "bytes")})
		lines := rapid.IntRange(1, 30).Draw(t, "lines")
		out.room = rapid.IntRange(0, 40*lines).Draw(t, "room")
		for n := range lines {
			number(s, n)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		next, lost := 0, 0
		for _, m := range messages(t, out.String()) {
			var n, missing int
			if _, err := fmt.Sscanf(m, "log:lost %d", &missing); err == nil {
				next, lost = next+missing, lost+missing
				continue
			}
			if _, err := fmt.Sscan(m, &n); err != nil {
				continue // torn
			}
			if n != next {
				t.Fatalf("%d comes where %d should be: %s", n, next, out)
			}
			next++
		}
		if int64(next-lost)+s.Lost() != int64(lines) {
			t.Fatalf("%d of %d lines are there, %d were told lost, and %d counted: %s", next-lost, lines, lost, s.Lost(), out)
		}
	})
}
