package embedded_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/model"
)

var crashes = flag.Int("crashes", 5, "rounds of kill -9 on a server under load")

// serveEnv makes the test binary run the real server on the folder that it names.
const serveEnv = "GAKUSHOKU_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		payments, err := paymentsOf(os.Getenv(paymentsEnv))
		if err == nil {
			err = embedded.Serve(ctx, embedded.ServeOptions{
				Dir: dir, Addr: "127.0.0.1:0", Level: zerolog.ErrorLevel, Payments: payments, Ready: func(url string, _ embedded.Operators) { fmt.Println(url) },
			})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(archiveEnv); dir != "" {
		archiveForEver(dir)
	}
	if dir := os.Getenv(bookEnv); dir != "" {
		provideForEver(dir, os.Getenv(paymentsEnv))
	}
	os.Exit(m.Run())
}

// startServer runs the real server in a process of its own.
func startServer(t *testing.T, dir string, env ...string) (url string, process *exec.Cmd) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process = exec.Command(self)
	process.Env = append(append(os.Environ(), serveEnv+"="+dir), env...)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 256)
	n, err := out.Read(buffer)
	if err != nil {
		t.Fatalf("the server did not say where it listens: %v", err)
	}
	return strings.TrimSpace(string(buffer[:n])), process
}

// acknowledged is what the server has confirmed: each order's version.
type acknowledged struct {
	mu       sync.Mutex
	versions map[string]uint64
}

// load sends commands until the server is gone, and remembers what it was told.
func (a *acknowledged) load(url, name string) {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		if !a.send(client, url+"/orders", fmt.Sprintf(`{"orderId":%q,"total":%d}`, id, 100+i)) ||
			!a.send(client, url+"/orders/"+id+"/pay", `{"paymentMethod":"CASH"}`) {
			return
		}
	}
}

func (a *acknowledged) send(client *http.Client, url, body string) bool {
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return false
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		return false
	}
	var answer struct {
		OrderID string `json:"orderId"`
		Version uint64 `json:"version"`
	}
	if json.Unmarshal(raw, &answer) != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.versions[answer.OrderID] = max(a.versions[answer.OrderID], answer.Version)
	return true
}

// any reports whether a command was acknowledged.
func (a *acknowledged) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.versions) > 0
}

func TestNothingAcknowledgedIsLostToKill9(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	acks := &acknowledged{versions: map[string]uint64{}}
	for round := range *crashes {
		url, process := startServer(t, dir)
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() { acks.load(url, fmt.Sprintf("r%dc%d", round, c)) })
		}
		for round == 0 && !acks.any() { // on a busy machine the first may take a while
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(30+round%7*20) * time.Millisecond)
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		process.Wait() //nolint:errcheck // it was killed
		clients.Wait()
	}
	if len(acks.versions) == 0 {
		t.Fatal("no command was acknowledged: nothing was tested")
	}
	checkFolder(t, dir, acks.versions)
	t.Logf("%d rounds, %d orders acknowledged", *crashes, len(acks.versions))
}

// checkFolder brings the read model up to date and compares everything with the events.
func checkFolder(t *testing.T, dir string, acks map[string]uint64) {
	t.Helper()
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	follower := folder.Follower()
	for more := true; more; {
		if more, err = follower.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id, version := range acks {
		events, err := folder.Events.Load(t.Context(), order.Stream(id), 0)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(len(events)) < version {
			t.Errorf("order %s: version %d was acknowledged, %d are there", id, version, len(events))
		}
	}
	compareWithFold(t, folder)
	compareWithLog(t, folder)
}

// compareWithFold folds every stream by itself and compares rows and totals.
func compareWithFold(t *testing.T, folder *embedded.Folder) {
	t.Helper()
	pointer, err := folder.Control.Pointer(t.Context(), readmodel.OrdersName)
	if err != nil {
		t.Fatal(err)
	}
	active, _ := pointer.ActiveVersion()
	table := pointer.Table(active)
	want := map[string]map[string]int64{}
	for cursor := ""; ; {
		streams, next, err := folder.Events.Streams(t.Context(), eventstore.All, cursor, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, stream := range streams {
			for _, c := range compareRow(t, folder, table, stream) {
				if want[c.Key] == nil {
					want[c.Key] = map[string]int64{}
				}
				want[c.Key][c.Field] += c.Amount
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	got, err := folder.Tables.Totals(t.Context(), table)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("totals are %v, the events say %v (%v)", got, want, err)
	}
}

func compareRow(t *testing.T, folder *embedded.Folder, table projection.Table, stream string) []model.Contribution {
	t.Helper()
	history, err := folder.Events.Load(t.Context(), stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	var row readmodel.Order
	for i := range history {
		if err := row.Apply(&history[i]); err != nil {
			t.Fatalf("%s: %v", stream, err)
		}
	}
	data, err := json.Marshal(&row)
	if err != nil {
		t.Fatal(err)
	}
	record, err := folder.Tables.Record(t.Context(), table, stream)
	if err != nil || record.Version != uint64(len(history)) || !bytes.Equal(record.Data, data) {
		t.Errorf("%s: the row is version %d %s, the fold %d %s (%v)", stream, record.Version, record.Data, len(history), data, err)
	}
	return row.Contributions()
}

func TestServeStopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	_, process := startServer(t, filepath.Join(t.TempDir(), "data"))
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := process.Wait(); err != nil {
		t.Errorf("the server did not end cleanly: %v", err)
	}
}

func TestServeExplainsFailures(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	url, process := startServer(t, dir)
	t.Cleanup(func() {
		process.Process.Kill() //nolint:errcheck // the test is over
		process.Wait()         //nolint:errcheck // the test is over
	})
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(foreign, "thesis.txt")
	for name, tc := range map[string]struct{ dir, addr, want string }{
		"a folder that is served already": {dir, "127.0.0.1:0", "being served by another process"},
		"a port in use":                   {filepath.Join(t.TempDir(), "d"), strings.TrimPrefix(url, "http://"), "cannot listen"},
		"a folder of something else":      {foreign, "127.0.0.1:0", "not a gakushoku data folder"},
		"a file instead of a folder":      {file, "127.0.0.1:0", "data folder"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := embedded.Serve(ctx, embedded.ServeOptions{Dir: tc.dir, Addr: tc.addr, Ready: func(string, embedded.Operators) { cancel() }})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error that says %q", err, tc.want)
			}
		})
	}
}

func TestRebuildWhileOrdersComeIn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	url, process := startServer(t, dir)
	acks := &acknowledged{versions: map[string]uint64{}}
	var clients sync.WaitGroup
	for c := range 2 {
		clients.Go(func() { acks.load(url, fmt.Sprintf("c%d", c)) })
	}
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for want := 2; want <= 3; want++ {
		run, err := folder.Rebuild(t.Context(), rebuild.Request{Projection: readmodel.OrdersName}, operator.RebuildOptions{})
		if err != nil || run.ToVersion != want || run.FromVersion != want-1 {
			t.Errorf("Rebuild: %+v, %v", run, err)
		}
	}
	if _, err := folder.Rebuild(t.Context(), rebuild.Request{Projection: "no such projection"}, operator.RebuildOptions{}); err == nil {
		t.Error("an unknown projection must be refused")
	}
	err = errors.Join(folder.Close(), process.Process.Kill())
	process.Wait() //nolint:errcheck // it was killed
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	checkFolder(t, dir, acks.versions)
}
