package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventlog"
)

// List implements eventlog.BlobReader.
func (s *Blobs) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Blob, error) {
	what := fmt.Sprintf("listing %q", prefix)
	err := eventlog.CheckPrefix(prefix)
	if limit < 1 {
		err = fmt.Errorf("invalid page size %d", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	l := listing{ctx: ctx, dir: s.dir, prefix: prefix, after: after, limit: limit}
	err = l.folder("")
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", what, ctx.Err())
	case err != nil:
		return nil, failed(what, err)
	}
	return l.page, nil
}

// listing walks folders in the order of keys.
type listing struct {
	ctx                context.Context
	dir, prefix, after string
	limit              int
	page               []eventlog.Blob
}

// named is an entry of a folder with the part of the key that it stands for.
type named struct {
	key   string // a folder's ends with /
	entry fs.DirEntry
}

// folder lists the objects below path, which is "" or ends with /.
func (l *listing) folder(path string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(l.dir, filepath.FromSlash(path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range inKeyOrder(path, entries) {
		switch {
		case len(l.page) == l.limit:
			return nil
		case n.entry.IsDir() && l.reaches(n.key):
			err = l.folder(n.key)
		case n.entry.Type().IsRegular() && n.key > l.after && strings.HasPrefix(n.key, l.prefix):
			err = l.add(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inKeyOrder returns the entries that can be parts of keys, in the order of keys: a folder sorts by its name
// with the / after it.
func inKeyOrder(path string, entries []fs.DirEntry) []named {
	all := make([]named, 0, len(entries))
	for _, entry := range entries {
		key := path + entry.Name()
		if eventlog.CheckKey(key) != nil {
			continue
		}
		if entry.IsDir() {
			key += "/"
		}
		all = append(all, named{key, entry})
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(a.key, b.key) })
	return all
}

// reaches reports whether a folder may hold keys that are asked for.
func (l *listing) reaches(folder string) bool {
	if !strings.HasPrefix(folder, l.prefix) && !strings.HasPrefix(l.prefix, folder) {
		return false
	}
	return folder > l.after || strings.HasPrefix(l.after, folder)
}

func (l *listing) add(n named) error {
	info, err := n.entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return err
	}
	l.page = append(l.page, eventlog.Blob{Key: n.key, Bytes: info.Size(), Changed: info.ModTime()})
	return nil
}
