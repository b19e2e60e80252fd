package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMistakesInWhatIsTypedExitWith2(t *testing.T) {
	t.Parallel()
	file := put(t, "seed.jsonl", seed)
	cases := map[string][]string{
		"nothing":                          {},
		"an unknown command":               {"sevre"},
		"half a command":                   {"events"},
		"an unknown flag":                  {"serve", "--port", "1"},
		"no file":                          {"events", "import"},
		"too many files":                   {"events", "import", "a", "b"},
		"a level that is none":             {"version", "--log-level", "loud"},
		"a time that is none":              {"events", "export", "--since", "yesterday"},
		"a level to search that is none":   {"logs", "--level", "loud"},
		"a number of lines that is none":   {"logs", "--last", "many"},
		"a negative number of lines":       {"logs", "--last=-1"},
		"an unknown question":              {"logs", "--question", "why"},
		"a question about no order":        {"logs", "--question", "order"},
		"slower than no time":              {"logs", "--slow=0s"},
		"following until a time":           {"logs", "--follow", "--until", "1h"},
		"until before since":               {"logs", "--since", "1h", "--until", "2h"},
		"following CloudWatch":             {"logs", "--follow", "--aws", "canteen"},
		"logs of two places":               {"logs", "--data", file, "--aws", "canteen"},
		"a bad file without skipping":      {"events", "import", file, "--bad-file", "x"},
		"skipping in standard input":       {"events", "import", "-", "--skip-bad"},
		"the file itself as the bad file":  {"events", "import", file, "--skip-bad", "--bad-file", file},
		"reprojecting nothing":             {"reproject"},
		"reprojecting to two places":       {"reproject", "--from", file, "--out", "x", "--data", "y"},
		"reprojecting a file into itself":  {"reproject", "--from", file, "--out", file},
		"an address that is none":          {"health", "wait", "ftp://x"},
		"an address without a host":        {"health", "wait", "http://"},
		"a timeout that is none":           {"health", "wait", "http://x", "--timeout", "soon"},
		"no time at all":                   {"health", "wait", "http://x", "--timeout", "0s"},
		"an API key without a name":        {"serve", "--api-keys", "secret"},
		"API keys that are all empty":      {"serve", "--api-keys", " , "},
		"one API key for two callers":      {"serve", "--api-keys", "a=k,b=k"},
		"an API key of no role":            {"serve", "--api-keys", "a:chef=k"},
		"an API key named as a guest":      {"serve", "--api-keys", "guest-1=k"},
		"an issuer without an audience":    {"serve", "--issuer", "https://login.example.com"},
		"an issuer without TLS":            {"serve", "--issuer", "http://login.example.com", "--audience", "canteen"},
		"an audience without an issuer":    {"serve", "--audience", "canteen"},
		"two issuers":                      {"serve", "--issuer", "https://login.example.com", "--audience", "canteen", "--development-issuer"},
		"keys of an issuer in no file":     {"serve", "--issuer", "https://login.example.com", "--audience", "canteen", "--jwks", filepath.Join(t.TempDir(), "none")},
		"requests below none":              {"serve", "--requests-per-second=-1"},
		"a key for no role":                {"keys", "create", "till"},
		"a key for a role that is none":    {"keys", "create", "till", "--role", "chef"},
		"a key for a person":               {"keys", "create", "ann@example.com", "--role", "kitchen"},
		"a key that never lives":           {"keys", "create", "till", "--role", "cashier", "--expires", "0s"},
		"a token of no role":               {"token", "--role", "chef"},
		"a token for no time":              {"token", "--expires", "0s"},
		"explaining what is not there":     {"authz", "explain", "--role", "guest", "GET", "/nothing"},
		"explaining a role that is none":   {"authz", "explain", "--role", "chef", "GET", "/orders"},
		"an address that is empty":         {"serve", "--addr", ""},
		"a folder that is empty":           {"serve", "--data", ""},
		"an export of no stream":           {"events", "export", "--stream", ""},
		"a rejection without a reason":     {"projection", "approve", "orders", "--reject", ""},
		"logs of no operation":             {"logs", "--correlation-id", ""},
		"parked streams of no projection":  {"projection", "park", "list", ""},
		"no version":                       {"projection", "verify", "orders", "--version", "0"},
		"a projection that is not named":   {"projection", "rebuild"},
		"a flag that needs a value at end": {"events", "export", "--stream"},
	}
	for name, args := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, args...)
			got.wants(t, exitUsage, "gakushoku: ", "Try: gakushoku", "--help")
			if strings.Contains(got.err, "secret") || got.out != "" {
				t.Errorf("out %q err %q", got.out, got.err)
			}
		})
	}
}

func TestHelpIsThereForEveryCommand(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "events import", "events export", "events show", "reproject", "events replay", "projection list", "projection runs", "projection abandon", "projection status", "projection approve", "projection rollback", "projection cleanup", "projection rebuild", "projection verify", "projection heal", "projection park list", "process list", "process show", "process redrive", "process compensate", "explain", "logs", "health wait"} {
		got := call(t, append(strings.Fields(command), "--help")...)
		got.out = strings.Join(strings.Fields(got.out), " ") // however it was wrapped
		got.wants(t, exitDone, "Example", "Usage: gakushoku "+command, "$GAKUSHOKU_DATA", "Default: gakushoku-data")
	}
	call(t, "--help").wants(t, exitDone, "events import", "demo", "version")
	call(t, "demo", "--help").wants(t, exitDone, "Nothing is left behind")
}

func TestEmptyInputIsReported(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	lost := projected(t)
	removeFiles(t, filepath.Join(lost, "events.db*"))
	looks := []string{
		"events export", "events show o1", "events verify --deep", "projection status", "projection verify orders", "projection verify orders --fix",
		"projection rebuild orders", "projection rebuild orders --from-inconsistency", "archive verify --deep", "explain orders o1",
	}
	enoughWithLog := []string{"archive status", "archive verify", "trace c1", "slow"}
	for _, command := range append(enoughWithLog, looks...) {
		call(t, append(strings.Fields(command), "-d", empty)...).wants(t, exitUnknown, "there is no data folder")
		call(t, append(strings.Fields(command), "-d", filepath.Join(empty, "missing"))...).wants(t, exitUnknown, "there is no data folder")
	}
	for _, command := range append(looks, "serve --addr 127.0.0.1:0", "events import "+put(t, "seed.jsonl", seed)) {
		call(t, append(strings.Fields(command), "-d", lost)...).wants(t, exitUnknown, "the event store is missing", "put the file back")
	}
	for _, command := range enoughWithLog {
		call(t, append(strings.Fields(command), "-d", lost)...).wants(t, exitDone, "the event store is missing", "going on without it")
	}
	for _, pattern := range []string{filepath.Join(empty, "*"), filepath.Join(lost, "events.db*")} {
		if found, err := filepath.Glob(pattern); err != nil || len(found) > 0 {
			t.Errorf("it was made: %v, %v", found, err)
		}
	}
}

func TestFailuresExitWith1AndOneLine(t *testing.T) {
	t.Parallel()
	file, folder := put(t, "seed.jsonl", seed), t.TempDir()
	foreign := filepath.Dir(put(t, "notes.txt", "mine"))
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(folder, "missing")
	data, junk := seeded(t), put(t, "junk.jsonl", "junk")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"importing a file that is not there", []string{"events", "import", missing, "-d", data}, "no such file or directory: check the path"},
		{"importing a folder", []string{"events", "import", folder, "-d", data}, "is a folder"},
		{"importing what cannot be read", []string{"events", "import", loop, "-d", data}, loop},
		{"importing UTF-16", []string{"events", "import", put(t, "utf16.jsonl", "\xff\xfe{\x00"), "-d", data}, "save it as UTF-8"},
		{"importing gzip", []string{"events", "import", put(t, "a.jsonl.gz", "\x1f\x8b\x08\x00\n"), "-d", data}, "a.jsonl.gz is compressed with gzip: unpack it on the way, as in zcat FILE | gakushoku events import -"},
		{"reprojecting zstd", []string{"reproject", "--from", put(t, "a.jsonl.zst", "\x28\xb5\x2f\xfd")}, "compressed with zstd"},
		{"reprojecting UTF-16", []string{"reproject", "--from", put(t, "utf16.jsonl", "\xfe\xff\x00{")}, "save it as UTF-8"},
		{"importing into a foreign folder", []string{"events", "import", file, "-d", foreign}, "not a gakushoku data folder"},
		{"importing into a file", []string{"events", "import", file, "-d", file}, "not a directory: check the path"},
		{"importing one bad line", []string{"events", "import", junk, "-d", data}, "1 bad line, nothing was imported"},
		{"exporting an unknown stream", []string{"events", "export", "--stream", "order-x", "-d", data}, "no such stream: order-x"},
		{"showing an unknown stream", []string{"events", "show", "x", "-d", data}, "no such stream: x"},
		{"serving a foreign folder", []string{"serve", "-d", foreign, "--addr", "127.0.0.1:0"}, "not a gakushoku data folder"},
		{"serving at an address that is none", []string{"serve", "-d", data, "--addr", "nowhere"}, "--addr takes HOST:PORT"},
		{"serving at a port that is none", []string{"serve", "-d", data, "--addr", "127.0.0.1:99999"}, "--addr takes HOST:PORT"},
		{"serving on a taken port", []string{"serve", "-d", missing, "--addr", taken.Addr().String()}, "another server is running there"},
		{"serving at another machine's address", []string{"serve", "-d", data, "--addr", "192.0.2.1:80"}, "this machine has no such address"},
		{"logs of a folder without", []string{"logs", "-d", data}, "has `gakushoku serve` run"},
		{"reprojecting a file that is not there", []string{"reproject", "--from", missing}, "no such file"},
		{"reprojecting a folder", []string{"reproject", "--from", folder}, "is a folder"},
		{"reprojecting onto a folder", []string{"reproject", "--from", file, "--out", folder}, "is a folder"},
		{"reprojecting to a place that is not there", []string{"reproject", "--from", file, "--out", filepath.Join(missing, "x")}, "check the path"},
		{"reprojecting a bad line", []string{"reproject", "--from", junk}, junk + ":1: byte 1: expected '{', the beginning of an event, found 'j': fix the line, or leave bad lines out with --skip-bad"},
		{"reprojecting into a foreign folder", []string{"reproject", "--from", file, "--data", foreign}, "not a gakushoku data folder"},
		{"waiting for no server", []string{"health", "wait", "127.0.0.1:1", "--timeout", "10ms"}, "is not ready after 10ms"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := call(t, c.args...)
			got.wants(t, exitFailed, c.want)
			lines := strings.Split(strings.TrimSpace(got.err), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "gakushoku: ") || !strings.Contains(last, c.want) {
				t.Errorf("the last line is %q", last)
			}
		})
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a command that only reads, or a server that cannot listen, has made a folder")
	}
}

func TestStandardInputThatIsCompressedIsNamed(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"events", "import", "-", "-d", filepath.Join(t.TempDir(), "data")}, {"reproject", "--from", "-"}} {
		callWith(t, "\x1f\x8b\x08", false, args...).wants(t, exitFailed, "standard input is compressed with gzip", "zcat FILE |")
		callWith(t, "\n", false, args...).wants(t, exitDone)
	}
}

func TestWhatKongFindsWrongIsSaidInWords(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"logs --aws":                             "--aws needs a value",
		"projection runs orders --last":          "--last needs a value",
		"logs --since -d x":                      "--since needs a value",
		"logs --aws --json":                      "--aws needs a value",
		"slow --limit 0":                         "--limit must be at least 1",
		"slow --limit -1":                        "--limit must be at least 1, not -1",
		"trace x --limit -5":                     "--limit must be at least 1, not -5",
		"projection runs orders -n -1":           "--last must be at least 1, not -1",
		"serve --connections 0":                  "--connections must be at least 1",
		"serve --connections -2":                 "--connections must be at least 1, not -2",
		"slow --limit x":                         `--limit: "x" is not a whole number`,
		"logs --slow 1s":                         "write --slow=1s",
		"logs --slow=abc":                        "such as 500ms",
		"logs --since=9999999h":                  "longer than the 292 years",
		"events export --since 1e3h":             "nor how long ago",
		"logs x --slow":                          "unexpected argument x",
		"projection rebuild orders --soak 5":     `--soak: "5" is not a duration, such as 500ms, 24h or 7d`,
		"projection rebuild orders --soak":       "--soak needs a value",
		"projection verify orders --version 0":   "--version must be at least 1",
		"projection verify orders --nonsense=-1": "unknown flag --nonsense",
	} {
		got := call(t, strings.Fields(typed)...)
		if got.wants(t, exitUsage, want); strings.Contains(got.err, "EOL") || strings.Contains(got.err, " expected ") {
			t.Errorf("%s: %s", typed, got.err)
		}
	}
}

func TestFailuresOfTheSystemComeWithAdvice(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.ENOSPC:     "make room",
		syscall.EROFS:      "choose another place",
		fs.ErrPermission:   "a user who may",
		fs.ErrNotExist:     "check the path",
		syscall.ENOTDIR:    "check the path",
		errors.New("else"): "",
	} {
		stderr := &output{}
		fail(stderr, fmt.Errorf("writing: %w", err))
		contains(t, stderr.String(), "gakushoku: writing: "+err.Error(), want)
	}
	if text := advice(&net.OpError{Op: "listen", Err: fs.ErrPermission}); text != "" {
		t.Errorf("of a network failure: %q", text)
	}
}

func TestAnInterruptedCommandFails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stdin := &blockingReader{cancel: cancel, until: make(chan struct{})}
	defer close(stdin.until)
	stderr := &output{}
	dir := filepath.Join(t.TempDir(), "data")
	code := run(ctx, []string{"events", "import", "-", "-d", dir}, stdin, &output{}, stderr)
	outcome{code, "", stderr.String()}.wants(t, exitFailed, "gakushoku: interrupted")
}

// blockingReader is a terminal at which the user presses Ctrl-C and nothing else.
type blockingReader struct {
	cancel context.CancelFunc
	until  chan struct{}
}

func (b *blockingReader) Read([]byte) (int, error) {
	b.cancel()
	<-b.until
	return 0, os.ErrClosed
}

func TestVersionPrintsBuild(t *testing.T) {
	t.Parallel()
	contains(t, ok(t, "version"), "gakushoku ", "go1.")
	contains(t, ok(t, "version", "--json"), `"platform"`)
}
