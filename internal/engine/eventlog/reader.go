package eventlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"gakushoku/internal/event"
)

// Reader reads the log. It is safe for concurrent use.
type Reader struct {
	Ledger Ledger
	Blobs  BlobReader
	// Trusted fails if the log is known not to be what it was, so that nothing may be repaired from it; nil
	// where that cannot be told.
	Trusted func(context.Context) error
}

// ErrDamaged means that an object of the log is not what was written.
var ErrDamaged = errors.New("is damaged")

// manifestPage is how many manifests are read at once.
const manifestPage = 500

// Head returns the end of the log; its Number is the watermark of a read up to now.
func (r *Reader) Head(ctx context.Context) (Head, error) { return r.Ledger.Head(ctx) }

// Manifests calls f for each segment that holds events with numbers above after and up to upTo, in
// the order of the log. The first and the last may also hold others. It fails if the segments do not follow
// one another up to upTo (or up to the head, if that is less), or if this program cannot read one.
func (r *Reader) Manifests(ctx context.Context, after, upTo uint64, f func(m *Manifest) error) error {
	for next := after; next < upTo; {
		page, err := r.Ledger.Manifests(ctx, next, manifestPage)
		if err != nil {
			return fmt.Errorf("reading the log after %d: %w", next, err)
		}
		for i := range page {
			m := &page[i]
			if m.First > upTo {
				return nil
			}
			if err := m.Check(); err != nil {
				return fmt.Errorf("reading the log after %d: %w", next, err)
			}
			if m.First > next+1 || m.Last <= next || next > after && m.First != next+1 {
				return fmt.Errorf("reading the log: the segment after %d is from %d to %d", next, m.First, m.Last)
			}
			if err := f(m); err != nil {
				return err
			}
			next = m.Last
		}
		if len(page) < manifestPage {
			return nil
		}
	}
	return nil
}

// ReadFrame reads the lines of one frame of a segment: Count lines, each with its newline. It writes them
// over buf if buf is large enough, so that a caller can reuse one buffer for many frames.
func (r *Reader) ReadFrame(ctx context.Context, m *Manifest, f Frame, buf []byte) ([]byte, error) {
	lines, err := r.readFrame(ctx, m, f, buf)
	if err != nil {
		return nil, fmt.Errorf("reading partition %d of segment %d: %w", f.Partition, m.First, err)
	}
	return lines, nil
}

func (r *Reader) readFrame(ctx context.Context, m *Manifest, f Frame, buf []byte) ([]byte, error) {
	compressed, err := r.Blobs.GetRange(ctx, m.Key, f.Offset, f.Length)
	if err != nil {
		return nil, err
	}
	lines, err := m.DecodeFrame(f, compressed, buf)
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w: restore the object from a backup, archive verify --deep tells about all of them", m.Key, ErrDamaged, err)
	}
	return lines, nil
}

// Events calls f for every event with a number above after and up to upTo, in the order of numbers. It omits
// none: repeated events are repeated, and the versions of a stream come as stored. f may use e until it
// returns, and must clone what it keeps.
func (r *Reader) Events(ctx context.Context, after, upTo uint64, f func(number uint64, e *event.Event) error) error {
	d := event.NewDecoder()
	var buf []byte
	return r.Manifests(ctx, after, upTo, func(m *Manifest) error {
		for _, frame := range m.Frames {
			if frame.First+uint64(frame.Count) <= after+1 || frame.First > upTo {
				continue
			}
			lines, err := r.ReadFrame(ctx, m, frame, buf)
			if err != nil {
				return err
			}
			buf = lines
			d.Reset()
			if err := eachEvent(d, lines, frame.First, after, upTo, f); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// EachEvent calls f for each event of the segment's object, which must have the manifest's digest, in the order of
// numbers. The event is valid until f returns.
func (m *Manifest) EachEvent(object []byte, f func(number uint64, e *event.Event) error) error {
	d := event.NewDecoder()
	var buf []byte
	for _, frame := range m.Frames {
		lines, err := m.DecodeFrame(frame, object[frame.Offset:frame.Offset+frame.Length], buf)
		if err != nil {
			return fmt.Errorf("%s %w: %w", m.Key, ErrDamaged, err)
		}
		buf = lines
		d.Reset()
		if err := eachEvent(d, lines, frame.First, 0, m.Last, f); err != nil {
			return err
		}
	}
	return nil
}

// EachLine calls f for each line of a segment's object, without a manifest.
func EachLine(object []byte, f func(line []byte) error) error {
	frames, err := zstd.NewReader(bytes.NewReader(object), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrameBytes))
	if err != nil {
		return err
	}
	defer frames.Close()
	lines := bufio.NewScanner(frames)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// eachEvent decodes lines; the first line has the number first.
func eachEvent(d *event.Decoder, lines []byte, first, after, upTo uint64, f func(uint64, *event.Event) error) error {
	var e event.Event
	for number := first; len(lines) > 0 && number <= upTo; number++ {
		end := bytes.IndexByte(lines, '\n')
		line := lines[:end]
		lines = lines[end+1:]
		if number <= after {
			continue
		}
		if err := d.Decode(line, &e); err != nil {
			return fmt.Errorf("event %d of the log cannot be read: %w", number, err)
		}
		if err := f(number, &e); err != nil {
			return err
		}
	}
	return nil
}
