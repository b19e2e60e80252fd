package eventio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// source is the file to be imported. It is read twice: first to check, then to append.
type source struct {
	file  *os.File
	start int64
	size  int64
	owned bool
}

// openSource uses a regular file directly and copies anything else, such as standard input, to a
// temporary file, so that memory does not bound the size of an import.
func openSource(ctx context.Context, r io.Reader, spoolDir string) (*source, error) {
	if f, ok := r.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if start, err := f.Seek(0, io.SeekCurrent); err == nil && info.Mode().IsRegular() {
			return &source{file: f, start: start, size: max(0, info.Size()-start)}, nil
		}
	}
	f, err := os.CreateTemp(spoolDir, "gakushoku-import-*.jsonl")
	if err != nil {
		return nil, fmt.Errorf("keeping the input in a temporary file: %w", err)
	}
	// Where the system allows it the name is removed at once, so that nothing stays behind even
	// when the process is killed; elsewhere Close removes it.
	os.Remove(f.Name())
	src := &source{file: f, owned: true}
	if src.size, err = io.Copy(f, contextReader{ctx, r}); err != nil {
		src.Close()
		return nil, fmt.Errorf("reading the input: %w", err)
	}
	return src, nil
}

// Close removes the temporary file, if there is one.
func (s *source) Close() {
	if s.owned {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}

// section returns length bytes from offset on.
func (s *source) section(offset, length int64) *io.SectionReader {
	return io.NewSectionReader(s.file, s.start+offset, length)
}

// readLine reads the line that the first reading found at offset.
func (s *source) readLine(offset int64, length int) ([]byte, error) {
	line := make([]byte, length)
	_, err := s.file.ReadAt(line, s.start+offset)
	return line, err
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// span is the position of a line in the source, without its line end.
type span struct {
	line   int
	offset int64
	length int64
}

// scanner cuts the source into lines.
type scanner struct {
	r    *bufio.Reader
	at   span
	next int64
	text []byte
	err  error
}

const scanBuffer = 1 << 20

var byteOrderMark = []byte("\xef\xbb\xbf")

func newScanner(s *source) *scanner {
	return &scanner{r: bufio.NewReaderSize(s.section(0, s.size), scanBuffer)}
}

// scan advances to the next line; false at the end, or when reading failed. text holds the line, or
// the beginning of one longer than MaxLineBytes.
func (s *scanner) scan() bool {
	s.text = s.text[:0]
	var length int64
	ended := false
	for {
		part, err := s.r.ReadSlice('\n')
		length += int64(len(part))
		if room := MaxLineBytes + len(byteOrderMark) + 2 - len(s.text); room > 0 {
			s.text = append(s.text, part[:min(len(part), room)]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			s.err = err
			return false
		}
		if length == 0 {
			return false
		}
		ended = err == nil
		break
	}
	s.at = span{line: s.at.line + 1, offset: s.next, length: length}
	s.next += length
	s.trim(ended)
	return true
}

// trim removes the line end and, on the first line, a byte order mark.
func (s *scanner) trim(ended bool) {
	if s.at.length > int64(len(s.text)) {
		if ended {
			s.at.length--
		}
	} else {
		text := bytes.TrimSuffix(bytes.TrimSuffix(s.text, []byte("\n")), []byte("\r"))
		s.at.length -= int64(len(s.text) - len(text))
		s.text = text
	}
	if s.at.line == 1 && bytes.HasPrefix(s.text, byteOrderMark) {
		s.text = s.text[len(byteOrderMark):]
		s.at.offset += int64(len(byteOrderMark))
		s.at.length -= int64(len(byteOrderMark))
	}
}
