//go:build unix

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEverythingMadeIsItsUsersAlone(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir, file := filepath.Join(top, "data"), put(t, "seed.jsonl", seed+"bad\n")
	for _, args := range [][]string{
		{"events", "import", file, "--skip-bad", "--bad-file", filepath.Join(top, "bad.jsonl")},
		{"projection", "rebuild", "orders"},
		{"events", "replay", "--until", "2100-01-01T00:00:00Z", "--out", filepath.Join(top, "rows.jsonl")},
		{"events", "replay", "--until", "2100-01-01T00:00:00Z", "--into", filepath.Join(top, "new")},
	} {
		// A shell that takes nothing away, and a process of its own.
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `umask 0; exec "$0" "$@"`, os.Args[0]}, append(args, "--data", dir)...)...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	seen := 0
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", strings.TrimPrefix(path, top), info.Mode())
		}
		seen++
		return err
	})
	if err != nil || seen < 15 {
		t.Errorf("%d files, %v", seen, err)
	}
}

func TestFolderOthersMayReadIsSaid(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	contains(t, ok(t, "projection", "status", "--data", dir), "other users may look into", "chmod 700")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := ok(t, "projection", "status", "--data", dir); strings.Contains(got, "other users") {
		t.Errorf("of a folder of its own: %s", got)
	}
}
