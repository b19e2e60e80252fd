package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/sqlite"
)

// What a copy of the test binary does when it runs as another process.
const (
	childRole    = "GAKUSHOKU_SQLITE_TEST_ROLE"
	childFile    = "GAKUSHOKU_SQLITE_TEST_FILE"
	roleFlood    = "flood"   // append to many streams until killed
	roleContend  = "contend" // append to one stream, with others doing the same
	roleBulk     = "bulk"    // fill a table version in a folder
	contendCount = 40
)

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := runChild(role, os.Getenv(childFile)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runChild prints a line for each event once it was acknowledged.
func runChild(role, path string) error {
	ctx := context.Background()
	if role == roleBulk {
		return fillTable(ctx, path)
	}
	s, err := sqlite.OpenEvents(ctx, path)
	if err != nil {
		return err
	}
	if role == roleContend {
		for range contendCount {
			if err := appendNext(ctx, s, "order-shared", observe.NewID()); err != nil {
				return err
			}
		}
		return s.Close()
	}
	failed := make(chan error)
	for range 8 {
		go func() {
			for {
				id := observe.NewID()
				for version := range 3 {
					if err := appendNext(ctx, s, "order-"+id, fmt.Sprintf("%s-%d", id, version)); err != nil {
						failed <- err
						return
					}
				}
			}
		}()
	}
	return <-failed
}

// appendNext appends to the end of a stream, and prints what was acknowledged.
func appendNext(ctx context.Context, s *sqlite.Events, stream, id string) error {
	for range 10_000 {
		history, err := s.Load(ctx, stream, 0)
		if err != nil {
			return err
		}
		events := []event.Event{benchEvent(id)}
		err = s.Append(ctx, stream, uint64(len(history)), events)
		if err == nil {
			// One call of Write, so that lines are whole whenever the process is killed.
			_, err = os.Stdout.WriteString(fmt.Sprintf("%s %d %s\n", stream, events[0].Version, id))
			return err
		}
		if !errors.Is(err, eventstore.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("every append to %s conflicted", stream)
}

// start runs a copy of this binary.
func start(t *testing.T, role, path string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childFile+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// acknowledged collects the lines of a child, by stream and version, until it ends; after
// killAfter lines it is killed (0: not).
func acknowledged(t *testing.T, cmd *exec.Cmd, out io.Reader, killAfter int) map[string]string {
	t.Helper()
	acks := map[string]string{}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		place, id, ok := cutLast(lines.Text())
		if !ok {
			t.Errorf("the child printed %q", lines.Text())
			continue
		}
		if other, twice := acks[place]; twice {
			t.Errorf("%s was acknowledged to %s and to %s", place, other, id)
		}
		acks[place] = id
		if n == killAfter {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil && killAfter == 0 {
		t.Errorf("the child failed: %v", err)
	}
	return acks
}

func cutLast(line string) (place, id string, ok bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 {
		return "", "", false
	}
	return line[:at], line[at+1:], true
}

// stored reads the whole log, by stream and version, and checks that it is in order.
func stored(t *testing.T, s *sqlite.Events) map[string]string {
	t.Helper()
	all := map[string]string{}
	last := map[string]uint64{}
	var n uint64
	for cursor := ""; ; {
		events, next, err := s.Read(t.Context(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			n++
			if e.Version != last[e.Stream]+1 {
				t.Errorf("event %d is version %d of %s, after %d", n, e.Version, e.Stream, last[e.Stream])
			}
			last[e.Stream] = e.Version
			all[fmt.Sprintf("%s %d", e.Stream, e.Version)] = e.ID
		}
		if cursor = next; len(events) == 0 {
			break
		}
	}
	if head, err := s.Head(t.Context()); err != nil || head != n {
		t.Errorf("the log has %d events, its head is %d: %v", n, head, err)
	}
	return all
}

func TestAcknowledgedAppendsSurviveKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	all := map[string]string{}
	for round := range 8 {
		cmd, out := start(t, roleFlood, path)
		for place, id := range acknowledged(t, cmd, out, 1+round*37) {
			all[place] = id
		}
		s := openEvents(t, path)
		got := stored(t, s)
		for place, id := range all {
			if got[place] != id {
				t.Errorf("round %d: %s was acknowledged to %s, the store has %q", round, place, id, got[place])
			}
		}
		// Nobody was there to close the file the last time; now and then somebody is.
		if round%2 == 0 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(all) == 0 {
		t.Error("nothing was acknowledged")
	}
}

func TestProcessesShareAStream(t *testing.T) {
	t.Parallel()
	const processes = 3
	path := filepath.Join(t.TempDir(), "events.db")
	acks := make([]map[string]string, processes)
	var wg sync.WaitGroup
	for p := range processes { // all create the file, too
		cmd, out := start(t, roleContend, path)
		wg.Go(func() { acks[p] = acknowledged(t, cmd, out, 0) })
	}
	wg.Wait()
	got := stored(t, openEvents(t, path))
	if len(got) != processes*contendCount {
		t.Errorf("%d events are stored, want %d", len(got), processes*contendCount)
	}
	total := 0
	for _, mine := range acks {
		total += len(mine)
		for place, id := range mine {
			if got[place] != id {
				t.Errorf("%s was acknowledged to %s, the store has %q", place, id, got[place])
			}
		}
	}
	if total != len(got) {
		t.Errorf("%d events were acknowledged, %d are stored", total, len(got))
	}
}

func TestFollowerSeesAppendsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := openEvents(t, path)
	cmd, out := start(t, roleContend, path)
	seen := 0
	done := make(chan map[string]string, 1)
	go func() { done <- acknowledged(t, cmd, out, 0) }()
	for cursor := ""; seen < contendCount; {
		events, next, err := s.Read(t.Context(), cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			seen++
			if e.Version != uint64(seen) {
				t.Errorf("event %d of the feed is version %d", seen, e.Version)
			}
		}
		cursor = next
	}
	<-done
}
