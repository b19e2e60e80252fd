package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// archiveEnv makes the test binary append to the folder that it names, and archive what it has
// appended, until it is killed.
const archiveEnv = "GAKUSHOKU_TEST_ARCHIVE"

func archiveForEver(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx := context.Background()
	folder, err := embedded.OpenFolder(ctx, dir)
	if err != nil {
		fail(err)
	}
	follower := folder.ArchiveFollower()
	follower.Linger, follower.Poll = 0, time.Millisecond
	go func() {
		if err := follower.Run(ctx); err != nil {
			fail(err)
		}
	}()
	for {
		id := observe.NewID()
		e, err := event.New(order.Placed{OrderID: id, Total: 780})
		if err == nil {
			e.ID, e.OccurredAt = "event-"+id, event.InstantOf(time.Now())
			err = folder.Events.Append(ctx, order.Stream(id), 0, []event.Event{e})
		}
		if err != nil {
			fail(err)
		}
		fmt.Println(id)
	}
}

// compareWithLog wants every event of the store in the log, once.
func compareWithLog(t *testing.T, folder *embedded.Folder) {
	t.Helper()
	r, err := folder.LogCheck.Verify(t.Context(), logcheck.Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Sound || r.Repeats != 0 || r.Read != r.Events || r.Head.Number != r.Events {
		t.Errorf("the log and the store differ: %+v", r)
	}
}

// TestTheLogIsWholeAfterKill9 kills a process that archives as fast as it can, at any moment, and
// lets the next one go on.
func TestTheLogIsWholeAfterKill9(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	segments, appended := uint64(0), 0
	for round := range *crashes {
		process := exec.Command(self)
		process.Env = append(os.Environ(), archiveEnv+"="+dir)
		process.Stderr = os.Stderr
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 10+7*round%40 && lines.Scan(); n++ {
			appended++
		}
		time.Sleep(time.Duration(round%9) * time.Millisecond)
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		process.Wait() //nolint:errcheck // it was killed
	}
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	head, err := folder.Log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if segments = head.Segments; segments == 0 {
		t.Error("nothing was archived before a kill: nothing was tested")
	}
	compareWithLog(t, folder)
	if left, err := os.ReadDir(filepath.Join(dir, "log", ".tmp")); err != nil || len(left) > *crashes {
		t.Errorf("%d temporary files are left of %d kills, %v", len(left), *crashes, err)
	}
	stored, err := folder.Events.Head(t.Context())
	if err != nil || stored < uint64(appended) {
		t.Errorf("%d events are stored, %d were acknowledged, %v", stored, appended, err)
	}
	t.Logf("%d kills, %d events, %d segments before the last", *crashes, stored, segments)
}
