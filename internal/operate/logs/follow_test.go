package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/natefinch/lumberjack.v2"
)

// channelSink hands lines to the test.
type channelSink struct{ lines chan string }

func (c channelSink) Line(line []byte) error { c.lines <- string(line); return nil }
func (c channelSink) Flush() error           { return nil }

// following starts a Follow and returns how to take its next lines, and how to end it.
func following(t *testing.T, path string, q Query, last int) (next func(n int) []string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sink := channelSink{make(chan string, 10000)}
	done := make(chan error, 1)
	go func() { done <- Follow(ctx, path, q, last, time.Millisecond, sink) }()
	next = func(n int) []string {
		t.Helper()
		var got []string
		for len(got) < n {
			select {
			case l := <-sink.lines:
				got = append(got, l)
			case err := <-done:
				t.Fatalf("Follow ended: %v", err)
			case <-time.After(30 * time.Second):
				t.Fatalf("no more lines after %d of %d, the last is %.100q", len(got), n, got[max(0, len(got)-1):])
			}
		}
		return got
	}
	return next, func() error { cancel(); return <-done }
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestFollowGoesOnOverRotationsAndCuts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "gakushoku.log")
	next, stop := following(t, path, Query{}, 0)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "one\n")
	expect(t, next(1), "one")
	appendTo(t, path, "two in ")
	appendTo(t, path, "parts\nthree")
	expect(t, next(1), "two in parts")
	if err := os.Rename(path, filepath.Join(dir, "gakushoku-2026-01-24T00-00-00.000.log")); err != nil {
		t.Fatal(err)
	}
	expect(t, next(1), "three")
	appendTo(t, path, "four\n")
	expect(t, next(1), "four")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "5\n")
	expect(t, next(1), "5")
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestFollowShowsTheLastLinesFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	write(t, path, "a c1", "b c1", "c", "d c1")
	next, stop := following(t, path, Query{Text: "c1"}, 2)
	expect(t, next(2), "b c1", "d c1")
	appendTo(t, path, "e\nf c1\n")
	expect(t, next(1), "f c1")
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// With the real rotation, faster than anyone logs: each line comes exactly once, in order.
func TestFollowLosesNothingToTheRealRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	logger := &lumberjack.Logger{Filename: path, MaxSize: 1}
	defer logger.Close()
	next, stop := following(t, path, Query{}, 0)
	padding := make([]byte, 10_000)
	for i := range padding {
		padding[i] = 'x'
	}
	const count = 1000 // 10 MB: ten rotations
	go func() {
		for i := range count {
			if i%50 == 0 {
				// lumberjack names a rotated file by the millisecond and lets a second one of
				// the same millisecond take its place: half a megabyte in each is enough.
				time.Sleep(2 * time.Millisecond)
			}
			fmt.Fprintf(logger, "%d %s\n", i, padding)
		}
	}()
	for i, l := range next(count) {
		if want := fmt.Sprintf("%d %s", i, padding); l != want {
			t.Fatalf("line %d is %.20q", i, l)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
