// Package files keeps objects as files in a folder, so that the numbered log needs no service. It is the
// embedded twin of package s3 and passes the same contract suite. Several processes may use a folder at once.
//
// An object is written to a temporary file and synced before it gets the object's name, and the name is
// synced before Put returns. So an object is there entirely or not at all, whenever the process or the
// machine dies.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
)

// tempFolder holds files being written. No key begins with a point.
const tempFolder = ".tmp"

// tempAge is the age from which a temporary file counts as left by a process that died: no put takes as long.
const tempAge = time.Hour

// Blobs is a folder of objects. It keeps nothing open, so it need not be closed.
type Blobs struct {
	dir    string
	opened fs.FileInfo // the folder
}

var _ eventlog.Blobs = (*Blobs)(nil)

// OpenBlobs opens the objects in dir. It makes a missing folder and removes temporary files of processes
// that died.
func OpenBlobs(dir string) (*Blobs, error) {
	s := &Blobs{dir: dir}
	err := makeFolders(filepath.Join(dir, tempFolder))
	if err == nil {
		err = s.sweep()
	}
	if err == nil {
		s.opened, err = os.Stat(dir)
	}
	if err != nil {
		return nil, failed("opening the objects in "+dir, err)
	}
	return s, nil
}

// ErrNoFolder means that there is no folder to read objects from.
var ErrNoFolder = errors.New("there is no such folder")

// ReadBlobs opens the objects in an existing folder for reading. It changes nothing, so the folder may be on a
// medium that cannot be written to.
func ReadBlobs(dir string) (eventlog.BlobReader, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(missing(err), eventlog.ErrNoBlob) || err == nil && !info.IsDir():
		return nil, fmt.Errorf("reading the objects in %s: %w", dir, ErrNoFolder)
	case err != nil:
		return nil, failed("reading the objects in "+dir, err)
	}
	return &Blobs{dir: dir, opened: info}, nil
}

// ErrReplaced means that the path of an open folder now leads to another folder, or to none.
var ErrReplaced = errors.New("the folder was removed or replaced while it was in use: stop whatever has it open, then start it again")

// InPlace fails with ErrReplaced when the path leads to another folder than the one that was
// opened, or to none.
func (s *Blobs) InPlace() error {
	now, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, s.opened) {
		err = fmt.Errorf("%s: %w", s.dir, ErrReplaced)
	}
	return fault.Unavailable(err)
}

// sweep removes temporary files whose writers have died.
func (s *Blobs) sweep() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, tempFolder))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < tempAge {
			continue // it has been renamed meanwhile, or will be
		}
		if err := os.Remove(filepath.Join(s.dir, tempFolder, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Get implements eventlog.BlobReader.
func (s *Blobs) Get(ctx context.Context, key string) ([]byte, error) {
	what := "reading " + key
	path, err := s.path(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	file, info, err := openRegular(path)
	if err != nil {
		return nil, failed(what, err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	if err := eventlog.CheckSize(key, info.Size()); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, failed(what, err)
	}
	return data, nil
}

// openRegular opens a regular file and nothing else: a pipe would make a reader wait forever, and a device
// may have no end.
func openRegular(path string) (file *os.File, info fs.FileInfo, err error) {
	info, err = os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, missing(err)
	case info.IsDir():
		return nil, nil, eventlog.ErrNoBlob
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%w: what has its name is no file (%s): move it away, and restore the object from a backup", eventlog.ErrNoBlob, info.Mode().Type())
	}
	if file, err = os.Open(path); err != nil {
		return nil, nil, missing(err)
	}
	if info, err = file.Stat(); err != nil {
		err = errors.Join(err, file.Close())
	}
	return file, info, err
}

// GetRange implements eventlog.BlobReader.
func (s *Blobs) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	what := fmt.Sprintf("reading %d bytes of %s from %d on", length, key, offset)
	path, err := s.path(ctx, key)
	if err == nil && (offset < 0 || length < 1) {
		err = errors.New("there is no such range")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	file, info, err := openRegular(path)
	if err != nil {
		return nil, failed(what, err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	if offset > info.Size() || length > info.Size()-offset {
		return nil, fmt.Errorf("%s: it has %d bytes", what, info.Size())
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(file, offset, length), data); err != nil {
		return nil, failed(what, err)
	}
	return data, nil
}

// Put implements eventlog.Blobs.
func (s *Blobs) Put(ctx context.Context, key string, data []byte) error {
	return s.write(ctx, "putting "+key, key, data, os.Rename)
}

// write gives a temporary file with data its name by place, which may leave the temporary name.
func (s *Blobs) write(ctx context.Context, what, key string, data []byte, place func(temp, path string) error) error {
	path, err := s.path(ctx, key)
	if err == nil {
		err = s.InPlace()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	temp, err := s.writeTemp(data)
	if temp != "" {
		defer os.Remove(temp) //nolint:errcheck // or else the next one to open the folder does
	}
	if err == nil {
		err = makeFolders(filepath.Dir(path))
	}
	if err == nil {
		err = place(temp, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	return failed(what, err)
}

// writeTemp writes data to a new temporary file and syncs it.
func (s *Blobs) writeTemp(data []byte) (path string, err error) {
	file, err := os.CreateTemp(filepath.Join(s.dir, tempFolder), "put-")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(0o600)
	}
	if err == nil {
		err = file.Sync()
	}
	return file.Name(), errors.Join(err, file.Close())
}

// Delete implements eventlog.Blobs. Folders that become empty stay: another put may be about to use
// them.
func (s *Blobs) Delete(ctx context.Context, key string) error {
	what := "deleting " + key
	path, err := s.path(ctx, key)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := s.InPlace(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	err = os.Remove(path)
	if errors.Is(missing(err), eventlog.ErrNoBlob) {
		return nil
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	return failed(what, err)
}

// path returns the file of an object.
func (s *Blobs) path(ctx context.Context, key string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := eventlog.CheckKey(key); err != nil {
		return "", err
	}
	return filepath.Join(s.dir, filepath.FromSlash(key)), nil
}

// missing turns errors that mean "no such file" into ErrNoBlob: nothing there, a folder, or a file in place
// of a folder.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) {
		return eventlog.ErrNoBlob
	}
	return err
}

// failed wraps an error of the disk. Unless an object is just missing, the error is retryable: the same call
// may succeed once the disk is in order.
func failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, eventlog.ErrNoBlob), errors.Is(err, eventlog.ErrExists):
		return fmt.Errorf("%s: %w", what, err)
	case errors.Is(err, syscall.ENOSPC):
		return fault.Unavailable(fmt.Errorf("%s: the disk is full, free some space: %w", what, err))
	case errors.Is(err, fs.ErrPermission):
		return fault.Unavailable(fmt.Errorf("%s: check the permissions of the folder: %w", what, err))
	}
	return fault.Unavailable(fmt.Errorf("%s: %w", what, err))
}

// makeFolders makes a folder and its parents, and syncs their names.
func makeFolders(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolders(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}
