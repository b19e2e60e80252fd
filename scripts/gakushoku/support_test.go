package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const seed = `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}
{"eventId":"e2","type":"OrderPaid","occurredAt":"2026-01-24T00:00:01.000Z","correlationId":"c2","payload":{"orderId":"o1","paidAt":"2026-01-24T00:00:01.000Z"}}
`

// asProgram in the environment makes the test binary the program itself: some things only show
// in a process of its own.
const asProgram = "TEST_AS_PROGRAM"

// skipWhenShort skips a test of whole programs, which take minutes with the race detector. The packages
// they are made of have tests of their own.
func skipWhenShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("plays whole programs")
	}
}

// atOnce is how many tests go on at a time: they wait more than they work, as each rebuild does
// until no projector can be left that knows only the old pointer.
const atOnce = "8"

// TestMain keeps the environment of the person who runs the tests out of them.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "GAKUSHOKU_") || name == "NO_COLOR" || name == "TERM" {
			os.Unsetenv(name)
		}
	}
	if err := flag.Set("test.parallel", atOnce); err != nil { // go test -parallel comes later, and wins
		panic(err)
	}
	os.Exit(m.Run())
}

// output takes what a program writes, from several goroutines.
type output struct {
	mu       sync.Mutex
	b        bytes.Buffer
	terminal bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) IsTerminal() bool { return o.terminal }

// outcome is what a call of the program did.
type outcome struct {
	code     int
	out, err string
}

// call runs the program to its end.
func call(t *testing.T, args ...string) outcome {
	t.Helper()
	return callWith(t, "", false, args...)
}

func callWith(t *testing.T, stdin string, terminal bool, args ...string) outcome {
	t.Helper()
	stdout, stderr := &output{terminal: terminal}, &output{terminal: terminal}
	code := run(t.Context(), args, strings.NewReader(stdin), stdout, stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// ok is call for what must succeed; it returns the standard output.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	got := call(t, args...)
	if got.code != exitDone {
		t.Fatalf("%v: exit %d\n%s%s", args, got.code, got.out, got.err)
	}
	return got.out
}

// wants checks the exit code, and that the texts are in what was written.
func (o outcome) wants(t *testing.T, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit %d, want %d\nout: %s\nerr: %s", o.code, code, o.out, o.err)
	}
	for _, text := range texts {
		if !strings.Contains(o.out+o.err, text) {
			t.Errorf("%q is not in\nout: %s\nerr: %s", text, o.out, o.err)
		}
	}
}

func contains(t *testing.T, got string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("%q is not in\n%s", text, got)
		}
	}
}

// put writes a file into a new temporary folder and returns its path.
func put(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// seeded is a data folder with the seed's two events.
func seeded(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	ok(t, "events", "import", put(t, "seed.jsonl", seed), "--data", dir)
	return dir
}

// running is a program in the background.
type running struct {
	out, err *output
	stop     context.CancelFunc
	ended    chan int
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{out: &output{}, err: &output{}, stop: stop, ended: make(chan int, 1)}
	go func() { r.ended <- run(ctx, args, strings.NewReader(""), r.out, r.err) }()
	return r
}

// removeFiles removes the files of a pattern, of which there must be one.
func removeFiles(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s: %v", pattern, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}
