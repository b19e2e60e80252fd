package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// badFile stores bad lines. It is created with the first one.
type badFile struct {
	path string
	file io.WriteCloser
}

func newBadFile(from string, skipBad bool, path string) (*badFile, error) {
	switch {
	case !skipBad && path != "":
		return nil, usagef("--bad-file needs --skip-bad")
	case skipBad && path == "" && from == "-":
		return nil, usagef("--skip-bad with standard input needs --bad-file, to keep the bad lines")
	case path == "":
		path = from + ".bad"
	case sameFile(path, from):
		return nil, usagef("--bad-file %s is the file that is read", path)
	}
	return &badFile{path: path}, nil
}

func (b *badFile) Write(line []byte) (int, error) {
	if b.file == nil {
		file, err := createNew(b.path)
		if err != nil {
			return 0, err
		}
		b.file = file
	}
	return b.file.Write(line)
}

// createNew creates a file. It does not change an existing file, which must already have the same content, as
// after an import that was cut off. It writes directly to anything but a regular file, such as a pipe.
func createNew(path string) (io.WriteCloser, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if !errors.Is(err, fs.ErrExist) {
		return file, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	there, err := os.Open(path)
	return thereAlready{there}, err
}

// thereAlready is an existing file. Writes are only compared with its content.
type thereAlready struct{ *os.File }

func (t thereAlready) Write(line []byte) (int, error) {
	has := make([]byte, len(line))
	if _, err := io.ReadFull(t.File, has); err != nil || !bytes.Equal(has, line) {
		return 0, fmt.Errorf("%s is there already, with something else, and is left as it is: move it away, or name another file with --bad-file", t.Name())
	}
	return len(line), nil
}

// Close closes the file, if there is one.
func (b *badFile) Close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}
