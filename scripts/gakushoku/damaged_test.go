package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archivedFolder is a data folder with the seed's events in its log too.
func archivedFolder(t *testing.T) string {
	t.Helper()
	dir := seeded(t)
	ok(t, "projection", "rebuild", "--all", "--data", dir)
	return dir
}

// harm is what may become of a file.
var harm = map[string]func(path string) error{
	"damaged": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("damaged ", 2000)), 0o600) },
	"missing": os.Remove,
	"a folder": func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	},
}

func TestRecoveryNeedsOnlyWhatItReads(t *testing.T) {
	t.Parallel()
	whole := archivedFolder(t)
	for _, file := range []string{"events.db", "control.db", "log.db", "gakushoku.json"} {
		for what, do := range harm {
			t.Run(file+" "+what, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				if err := do(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				into := filepath.Join(t.TempDir(), "new")
				ok(t, "events", "replay", "--until", "2100-01-01T00:00:00Z", "--into", into, "--data", dir)
				if got := ok(t, "events", "export", "--data", into); strings.Count(got, "\n") != 2 {
					t.Errorf("the new folder has:\n%s", got)
				}
				for _, c := range []struct {
					needs []string
					args  []string
				}{
					{[]string{"events.db", "gakushoku.json"}, []string{"events", "export"}},
					{[]string{"events.db", "gakushoku.json"}, []string{"events", "show", "o1"}},
					{[]string{"events.db", "gakushoku.json"}, []string{"events", "verify"}},
					{[]string{"log.db", "gakushoku.json"}, []string{"archive", "status"}},
					{[]string{"log.db", "gakushoku.json"}, []string{"archive", "stats"}},
					{[]string{"log.db", "gakushoku.json"}, []string{"archive", "verify"}},
					{[]string{"log.db", "gakushoku.json"}, []string{"archive", "sweep", "--dry-run"}},
					{[]string{"gakushoku.json"}, []string{"slow"}},
					{[]string{"gakushoku.json"}, []string{"trace", "c1"}},
				} {
					if slices.Contains(c.needs, file) {
						continue
					}
					if got := call(t, append(c.args, "--data", dir)...); got.code != exitDone {
						t.Errorf("%v: exit %d\n%s%s", c.args, got.code, got.out, got.err)
					}
				}
			})
		}
	}
}

func TestStatusUsesTheIntactParts(t *testing.T) {
	t.Parallel()
	whole := archivedFolder(t)
	for pattern, want := range map[string]struct{ status, list, explain string }{
		"log.db":                   {"the log cannot be read", "the log cannot be read", "going on without it"},
		"events.db":                {"the event store cannot be read", "going on without it", ""},
		"log/runs/*/*/run.json":    {"which rebuilds of orders are under way is not known", "is not known: runs/", "e1"},
		"log/segments/*/*":         {"2 events, all in the read models", "orders", "the numbers of the events are not known"},
		"readmodels/orders-v2*.db": {"readers get nothing", "orders", "folded by revision"},
	} {
		for what, do := range harm {
			t.Run(pattern+" "+what, func(t *testing.T) {
				t.Parallel()
				if what == "missing" || what == "a folder" && strings.HasPrefix(pattern, "log/") {
					t.Skip("as good as none: another state of a folder, not a file that cannot be read")
				}
				dir := filepath.Join(t.TempDir(), "data")
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				files, err := filepath.Glob(filepath.Join(dir, pattern))
				if err != nil || len(files) == 0 {
					t.Fatalf("no file is %s: %v", pattern, err)
				}
				for _, file := range files {
					if err := do(file); err != nil {
						t.Fatal(err)
					}
				}
				code := exitDone
				if pattern == "events.db" {
					code = exitUnknown // how far they were applied is what it is asked
				}
				call(t, "projection", "status", "-d", dir).wants(t, code, "orders      2        active", want.status)
				call(t, "projection", "list", "-d", dir).wants(t, exitDone, "orders      2        active", want.list)
				if want.explain != "" {
					call(t, "explain", "orders", "o1", "-d", dir).wants(t, exitDone, "OrderPaid", "orders-v2: active", want.explain)
				}
			})
		}
	}
}

// TestEveryCommandNamesUnreadableParts has each file of a folder spoiled in turn. A command does
// without it or ends with exitUnknown; which panics would not even come to an end here.
func TestEveryCommandNamesUnreadableParts(t *testing.T) {
	t.Parallel()
	whole := archivedFolder(t)
	server := start(t, serving(whole)...) // which leaves a log file
	server.addresses(t)
	server.stop()
	<-server.ended
	spoil := map[string]func(path string) error{
		"a folder": harm["a folder"], "damaged": harm["damaged"],
		"truncated": func(path string) error { return os.Truncate(path, 100) },
	}
	commands := [][]string{
		{"serve", "--addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0", "--stop-grace", "0s"},
		{"events", "export"}, {"events", "show", "o1"}, {"events", "verify"}, {"events", "verify", "--deep"}, {"events", "import", put(t, "seed.jsonl", seed)},
		{"projection", "list"}, {"projection", "status"}, {"projection", "verify", "orders"}, {"projection", "runs", "orders"}, {"projection", "approve", "orders"},
		{"projection", "abandon", "orders"}, {"projection", "rollback", "orders"}, {"projection", "cleanup", "orders"}, {"projection", "heal", "orders", "--stream", "order-o1"},
		{"projection", "park", "list", "orders"}, {"projection", "rebuild", "orders"},
		{"archive", "status"}, {"archive", "stats"}, {"archive", "verify"}, {"archive", "verify", "--deep"}, {"archive", "restore-manifests"}, {"archive", "sweep"},
		{"explain", "orders", "o1"}, {"trace", "c1"}, {"logs"}, {"slow"},
	}
	for _, file := range []string{"events.db", "control.db", "log.db", "gakushoku.json"} {
		for what, do := range spoil {
			t.Run(file+" "+what, func(t *testing.T) {
				t.Parallel()
				for _, args := range commands {
					dir := filepath.Join(t.TempDir(), "data")
					if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
						t.Fatal(err)
					}
					if err := do(filepath.Join(dir, file)); err != nil {
						t.Fatal(err)
					}
					got := callFor(t, append(args, "-d", dir)...)
					if got.code != exitDone && (got.code != exitUnknown || !strings.Contains(got.err, file)) {
						t.Errorf("%v: exit %d\n%s%s", args, got.code, got.out, got.err)
					}
				}
			})
		}
	}
}

// callFor is call; a server that starts is stopped.
func callFor(t *testing.T, args ...string) outcome {
	t.Helper()
	if args[0] != "serve" {
		return call(t, args...)
	}
	server := start(t, args...)
	defer server.stop()
	return outcome{<-server.ended, server.out.String(), server.err.String()}
}
