// Package logs searches the log files of an embedded server: JSON lines in the current file and in the
// rotated ones beside it. With it, operators can follow a correlation id, or watch failures, with nothing
// but the data folder.
package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// ErrNoLog is returned if there are no log files at a path.
var ErrNoLog = errors.New("there is no log file")

// rotatedLayout is the format of times in the names of rotated files (lumberjack). The names sort by time.
const rotatedLayout = "2006-01-02T15-04-05.000"

const gzipSuffix = ".gz"

// rotated returns the rotated files of the log at path, oldest first, by their names without compression:
// a file that is being compressed exists twice for a moment.
func rotated(path string) ([]string, error) {
	dir, base := filepath.Split(path)
	ext := filepath.Ext(base)
	prefix := strings.TrimSuffix(base, ext) + "-"
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing log files: %w", err)
	}
	var names []string
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), gzipSuffix)
		stamp, ok := strings.CutPrefix(strings.TrimSuffix(name, ext), prefix)
		if !ok || !strings.HasSuffix(name, ext) || entry.IsDir() {
			continue
		}
		if _, err := time.Parse(rotatedLayout, stamp); err == nil {
			names = append(names, dir+name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// openRotated opens a rotated file, compressed or not. It returns fs.ErrNotExist if the rotation has deleted
// it meanwhile.
func openRotated(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err = os.Open(path + gzipSuffix)
	if err != nil {
		return nil, err
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return &gzipFile{unpacked, f}, nil
}

type gzipFile struct {
	*gzip.Reader
	file *os.File
}

func (g *gzipFile) Close() error { return errors.Join(g.Reader.Close(), g.file.Close()) }

// modifiedBefore reports whether nothing was written to a rotated file after t.
func modifiedBefore(path string, t time.Time) bool {
	for _, name := range []string{path, path + gzipSuffix} {
		// A compressed file is never older than the original, so either is safe to look at.
		if info, err := os.Stat(name); err == nil {
			return info.ModTime().Before(t)
		}
	}
	return false
}

// maxOpenTries limits how often the files are listed again because the log was rotated between listing and
// opening. It is rotated every 100 MB.
const maxOpenTries = 10

// openCurrent opens the current file and lists the rotated ones before it. The file is nil if there is no
// current one.
func openCurrent(path string) (current *os.File, older []string, err error) {
	for range maxOpenTries {
		current, err = os.Open(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		if older, err = rotated(path); err != nil {
			closeFile(current)
			return nil, nil, err
		}
		if isCurrent(path, current) {
			return current, older, nil
		}
		closeFile(current)
	}
	return nil, nil, fmt.Errorf("%s: the log is rotated too often to be opened", path)
}

// isCurrent reports whether f is still the file at path, or nil while there is none.
func isCurrent(path string, f *os.File) bool {
	now, err := os.Stat(path)
	if f == nil || err != nil {
		return f == nil && errors.Is(err, fs.ErrNotExist)
	}
	opened, err := f.Stat()
	return err == nil && os.SameFile(now, opened)
}

func closeFile(f *os.File) {
	if f != nil {
		f.Close()
	}
}
