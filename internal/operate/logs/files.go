// Package logs reads the log files of an embedded server: JSON lines in one current
// file and the rotated ones beside it. It exists so that the operator on call can follow a
// correlation id, or watch what goes wrong, with nothing but the data folder.
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

// ErrNoLog says that there are no log files at a path.
var ErrNoLog = errors.New("there is no log file")

// rotatedLayout is how the rotation (lumberjack) writes the time into a file's name; such
// names sort by time.
const rotatedLayout = "2006-01-02T15-04-05.000"

const gzipSuffix = ".gz"

// rotated returns the rotated files of the log at path, oldest first, as the paths they had
// before compression: a file being compressed exists twice for a moment and counts once.
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

// openRotated opens a rotated file, compressed or not. It answers fs.ErrNotExist when the
// rotation has deleted it meanwhile.
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
		// The rotation gives a compressed file the time of compression or later, never an
		// earlier one, so that looking at either errs on the side of reading.
		if info, err := os.Stat(name); err == nil {
			return info.ModTime().Before(t)
		}
	}
	return false
}

// maxOpenTries bounds how often the files are listed again because the log was rotated
// between listing and opening; a rotation comes once in 100 MB.
const maxOpenTries = 10

// openCurrent opens the current file, and lists the rotated ones that come before exactly
// it. The file is nil when there is no current file.
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
	return nil, nil, fmt.Errorf("%s: rotated again and again while it was opened", path)
}

// isCurrent reports whether f is still the file at path; nil is when there is no file there.
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
