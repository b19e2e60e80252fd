package embedded

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

func openFolderAt(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// place appends so many orders.
func place(t *testing.T, f *Folder, orders int) {
	t.Helper()
	for range orders {
		id := observe.NewID()
		e, err := event.New(order.Placed{OrderID: id, Total: 780})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.OccurredAt = "event-"+id, event.InstantOf(time.Now())
		if err := f.Events.Append(t.Context(), order.Stream(id), 0, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
}

// wantArchived wants every event of the store in the log, once.
func wantArchived(t *testing.T, f *Folder) {
	t.Helper()
	head, err := f.Log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]int{}
	err = f.Log().Events(t.Context(), 0, head.Number, func(_ uint64, e *event.Event) error {
		logged[strings.Clone(e.ID)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, _, err := f.Events.Since(t.Context(), eventstore.Mark{}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range stored {
		if logged[e.ID] != 1 {
			t.Errorf("%s is in the log %d times", e.ID, logged[e.ID])
		}
	}
	if len(logged) != len(stored) {
		t.Errorf("%d events in the log, %d in the store", len(logged), len(stored))
	}
}

func TestAFolderFromBeforeTheLogGetsOne(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	old, err := OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	place(t, old, 20)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{ledgerFile(dir), logFolder(dir)} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	f := openFolderAt(t, dir)
	for range 2 {
		if err := f.Archive(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantArchived(t, f)
	}
	for _, pattern := range []string{"log/segments/20*/*.jsonl.zst", "log/manifests/00000000000000000001.json"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", pattern, found, err)
		}
	}
}

func TestSeveralProcessesArchiveOneFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server, other := openFolderAt(t, dir), openFolderAt(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		follower := server.ArchiveFollower()
		follower.Linger, follower.Poll = time.Millisecond, time.Millisecond
		if err := follower.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for range 15 {
		place(t, server, 4)
		if err := other.Archive(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantArchived(t, other)
	}
	stop()
	running.Wait()
	wantArchived(t, server)
}

func TestServerArchivesAppendedEvents(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ServeOptions{Dir: dir, Addr: "127.0.0.1:0", Level: zerolog.InfoLevel, Ready: func(url string, _ Operators) { ready <- url }})
	}()
	var url string
	select {
	case url = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	response, err := http.Post(url+"/orders", "application/json", strings.NewReader(`{"orderId":"o1","total":780}`))
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%v, %v", response, err)
	}
	response.Body.Close()
	f := openFolderAt(t, dir)
	for head := uint64(0); head < 1; time.Sleep(10 * time.Millisecond) {
		got, err := f.Log().Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		head = got.Number
	}
	wantArchived(t, f)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	lines, err := os.ReadFile(LogFile(dir))
	if err != nil || !strings.Contains(string(lines), `"message":"archive:commit"`) || !strings.Contains(string(lines), `"function":"archiver"`) {
		t.Errorf("the log file: %s, %v", lines, err)
	}
}

// logHealth is what health says about the log, a while later.
func logHealth(t *testing.T, f *Folder, later time.Duration) health.Part {
	t.Helper()
	checker := f.Health()
	for i, p := range checker.Probes {
		if p.Name == health.PartLogLag {
			checker.Probes[i] = health.LogLag(maxArchiveLag, func(ctx context.Context) (health.Lag, error) { return f.logLag(ctx, time.Now().Add(later)) })
		}
	}
	for _, part := range checker.Check(t.Context()).Parts {
		if part.Name == health.PartLogLag {
			return part
		}
	}
	t.Fatal("health does not look at the log")
	return health.Part{}
}

func TestHealthDetectsDeadArchiver(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	if part := logHealth(t, f, time.Hour); part.Status != health.OK {
		t.Errorf("without events: %+v", part)
	}
	ctx, kill := context.WithCancel(t.Context())
	follower := f.ArchiveFollower()
	follower.Linger, follower.Poll = time.Millisecond, time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()
	place(t, f, 3)
	for waiting := uint64(1); waiting > 0; time.Sleep(time.Millisecond) {
		var err error
		if waiting, err = follower.Waiting(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if part := logHealth(t, f, time.Hour); part.Status != health.OK || part.Detail != "3 of 3 events are in the log" {
		t.Errorf("while it runs: %+v", part)
	}
	kill()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	place(t, f, 1)
	if part := logHealth(t, f, 0); part.Status != health.OK {
		t.Errorf("when an event has only just come: %+v", part)
	}
	if part := logHealth(t, f, maxArchiveLag+time.Second); part.Status != health.Failing || !strings.Contains(part.Detail, "events come into the log 16") {
		t.Errorf("after it died: %+v", part)
	}
	if err := f.Archive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if part := logHealth(t, f, time.Hour); part.Status != health.OK {
		t.Errorf("once it is mended: %+v", part)
	}
}

func TestArchiverBusyWithImportIsHealthy(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 10)
	follower := f.ArchiveFollower()
	follower.Events = 5
	if part := logHealth(t, f, time.Hour); part.Status != health.Failing {
		t.Errorf("before it starts: %+v", part)
	}
	if _, err := follower.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	later := event.InstantOf(time.Now().Add(time.Hour)) // it has come half-way by then
	if err := f.Control.SetCheckpoint(t.Context(), archiverName, projection.Checkpoint{Cursor: "5", AppliedAt: later}); err != nil {
		t.Fatal(err)
	}
	if part := logHealth(t, f, time.Hour+time.Second); part.Status != health.OK || part.Detail != "5 of 10 events are in the log" {
		t.Errorf("half-way: %+v", part)
	}
	if part := logHealth(t, f, time.Hour+time.Minute); part.Status != health.Failing {
		t.Errorf("when it stops half-way: %+v", part)
	}
}

func TestArchiverReportsFailingDiskAndRecovers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	f := openFolderAt(t, dir)
	segments := filepath.Join(logFolder(dir), "segments")
	if err := os.WriteFile(segments, nil, 0o600); err != nil { // no segment can be written below
		t.Fatal(err)
	}
	place(t, f, 5)
	lines := make(chan string, 1000)
	ctx, stop := context.WithCancel(observe.WithLogger(t.Context(), observe.NewLogger(chanWriter(lines), zerolog.InfoLevel, "archiver")))
	follower := f.ArchiveFollower()
	follower.Linger, follower.Poll = time.Millisecond, time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()
	for line := range lines {
		if strings.Contains(line, `"message":"archive:delayed"`) && strings.Contains(line, `"errorClass":"infra"`) {
			break
		}
	}
	if _, err := follower.Once(t.Context()); err == nil {
		t.Error("a segment was written without a folder for it")
	}
	if err := os.Remove(segments); err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		if strings.Contains(line, `"message":"archive:commit"`) {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	wantArchived(t, f)
}

// chanWriter sends each line.
type chanWriter chan string

func (w chanWriter) Write(line []byte) (int, error) {
	select {
	case w <- string(line):
		return len(line), nil
	default:
		return 0, io.ErrShortWrite
	}
}
