package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrLineTooLong is the error for a line longer than MaxLineBytes. The replay then ends even with OnBad,
// since the input may not be a log at all.
var ErrLineTooLong = fmt.Errorf("the line is longer than %d MiB: is this a log of one JSON object a line?", MaxLineBytes>>20)

// source cuts a log into chunks of whole lines. Workers share it.
type source struct {
	size int

	mu     sync.Mutex
	reader io.Reader
	carry  []byte // the start of a line whose end has not been read yet
	next   int    // number of the next chunk
	ended  bool
}

// chunk is a part of the log that ends with a newline.
type chunk struct {
	number int // 0, 1, 2... through the log
	text   []byte
	bytes  int64 // bytes of the log that it covers
	err    error // the log cannot be read beyond text
}

// read reads the next chunk into buffer, which it may replace by a larger one. It returns false after the
// last chunk.
func (s *source) read(buffer *[]byte) (chunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return chunk{}, false
	}
	if need := max(s.size, len(s.carry)+1); len(*buffer) < need {
		*buffer = make([]byte, need)
	}
	c := chunk{number: s.next}
	s.next++
	filled, cut, err := s.fill(buffer)
	s.ended = err != nil
	if errors.Is(err, io.EOF) {
		cut, err = filled, nil
	}
	c.text, c.bytes, c.err = (*buffer)[:cut], int64(cut), err
	s.carry = append(s.carry[:0], (*buffer)[cut:filled]...)
	if c.number == 0 {
		c.text = bytes.TrimPrefix(c.text, []byte("\xef\xbb\xbf"))
	}
	return c, true
}

// fill reads until buffer is full and holds a newline; cut is the index after the last one.
func (s *source) fill(buffer *[]byte) (filled, cut int, err error) {
	filled = copy(*buffer, s.carry)
	for {
		n, err := io.ReadFull(s.reader, (*buffer)[filled:])
		if end := bytes.LastIndexByte((*buffer)[filled:filled+n], '\n'); end >= 0 {
			cut = filled + end + 1
		}
		filled += n
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return filled, cut, io.EOF
		case err != nil:
			return filled, cut, fmt.Errorf("reading: %w", err)
		case cut > 0:
			return filled, cut, nil
		case filled > MaxLineBytes:
			return filled, 0, ErrLineTooLong
		}
		larger := make([]byte, 2*len(*buffer))
		copy(larger, *buffer)
		*buffer = larger
	}
}
