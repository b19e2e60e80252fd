package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// input opens a file for reading; "-" is standard input. The caller closes it.
func (p *program) input(path string) (io.ReadCloser, error) {
	if path == "-" {
		in := bufio.NewReader(p.standardInput())
		begins, _ := in.Peek(markSize) // the next read returns the error again
		return io.NopCloser(in), checkBeginning(inputName(path), begins)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder: name a file", path)
	}
	if err == nil {
		err = checkBeginning(path, beginning(f))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// foreign maps the first bytes of other formats to their names and how to convert them. No event can begin
// with these bytes.
var foreign = []struct{ mark, what string }{
	{"\xff\xfe", utf16}, {"\xfe\xff", utf16},
	{"\x1f\x8b", "compressed with gzip: unpack it on the way, as in zcat FILE | gakushoku events import -"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it on the way, as in zstdcat FILE | gakushoku events import -"},
	{"BZh", "compressed with bzip2: unpack it on the way, as in bzcat FILE | gakushoku events import -"},
	{"\xfd7zXZ", "compressed with xz: unpack it on the way, as in xzcat FILE | gakushoku events import -"},
	{"PK\x03\x04", "a ZIP archive: unpack it on the way, as in unzip -p FILE | gakushoku events import -"},
}

const (
	utf16    = "UTF-16, as PowerShell's > writes it: save it as UTF-8"
	markSize = 6 // bytes of the longest mark
)

// checkBeginning refuses files that are not plain text.
func checkBeginning(name string, begins []byte) error {
	for _, f := range foreign {
		if bytes.HasPrefix(begins, []byte(f.mark)) {
			return fmt.Errorf("%s is %s", name, f.what)
		}
	}
	return nil
}

// beginning reads the first bytes of a file, if it can be read twice.
func beginning(f io.ReaderAt) []byte {
	mark := make([]byte, markSize)
	n, _ := f.ReadAt(mark, 0)
	return mark[:n]
}

// inputName returns the input's name for messages.
func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

func (p *program) standardInput() io.Reader {
	if f, ok := p.stdin.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return f
		}
	}
	return &interruptible{ctx: p.ctx, r: p.stdin}
}

// interruptible ends a read of standard input with the context. The read itself cannot be
// interrupted: its goroutine stays until the process ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

type readResult struct {
	n   int
	err error
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	own := make([]byte, min(len(b), 64<<10))
	done := make(chan readResult, 1)
	go func() {
		n, err := i.r.Read(own)
		done <- readResult{n, err}
	}()
	select {
	case result := <-done:
		return copy(b, own[:result.n]), result.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
