package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// sweptFiles are the files of a folder besides those of events, log and keys: rows, control records, log
// lines and traces.
func sweptFiles(dir string) (paths []string, err error) {
	for _, pattern := range []string{"readmodels/*", "control.db*", "logs/*"} {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

// sweep is the host's part of looking for plain text. It looks at the bytes of files, so it also finds what a
// database has deleted but not overwritten.
func (f *Folder) sweep(ctx context.Context, texts []string, found func(place, text string)) error {
	paths, err := sweptFiles(f.Dir)
	for i := 0; err == nil && i < len(paths); i++ {
		name, _ := filepath.Rel(f.Dir, paths[i])
		err = eachText(ctx, paths[i], texts, func(text string) { found(filepath.ToSlash(name), text) })
	}
	return err
}

// eachText calls found for each time that a file has one of the texts.
func eachText(ctx context.Context, path string, texts []string, found func(text string)) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was rotated or removed meanwhile
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	longest := 0
	for _, text := range texts {
		longest = max(longest, len(text))
	}
	const block = 1 << 20
	buf := make([]byte, 0, block+longest)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		kept := len(buf)
		n, err := io.ReadFull(file, buf[kept:kept+block])
		buf = buf[:kept+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		for _, text := range texts {
			// What ends in the part that was kept was counted before.
			from := max(0, kept-len(text)+1)
			for range bytes.Count(buf[from:], []byte(text)) {
				found(text)
			}
		}
		if last {
			return nil
		}
		keep := min(len(buf), longest)
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}
