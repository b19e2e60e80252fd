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
	ok(t, "projection", "rebuild", "orders", "--data", dir)
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
