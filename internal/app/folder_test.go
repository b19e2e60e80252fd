package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderWhoseMakingWasCutOffIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]string{"nothing but read models": "readmodels/", "half a marker": markerFile + ".new-1", "no read models": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			for made := range strings.SplitSeq(left, "/") {
				if strings.HasPrefix(made, markerFile) {
					err := os.MkdirAll(dir, 0o750)
					if err == nil {
						err = os.WriteFile(filepath.Join(dir, made), []byte("{"), 0o640)
					}
					if err != nil {
						t.Fatal(err)
					}
				} else if err := os.MkdirAll(filepath.Join(dir, made), 0o750); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				f, err := OpenFolder(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestFoldersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, want string }{
		"something else":   {"notes.txt", "mine", "not a gakushoku data folder"},
		"a damaged marker": {markerFile, "{", "is damaged: restore it"},
		"a newer one":      {markerFile, `{"gakushokuFormat":99}`, "a newer gakushoku (format 99, this one knows 1): use that one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o640); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenFolder(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("it was changed: %v %v", entries, err)
			}
		})
	}
}
