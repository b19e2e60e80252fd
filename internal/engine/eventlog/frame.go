package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// MaxFrameBytes bounds the decompressed size of one frame: several times that of a whole segment.
const MaxFrameBytes = 64 << 20

// maxLineBytes bounds a line of the log: more than any event store accepts.
const maxLineBytes = 1 << 20

// spare is the room that the decoder needs beyond the end to be fast.
const spare = 64

// decoder decompresses frames, as many at once as there are processors, and never beyond the given buffer.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxFrameBytes), zstd.WithDecodeAllCapLimit(true))
})

var newline = []byte("\n")

// DecodeFrame is Reader.ReadFrame for a frame's compressed bytes. It decompresses them only if their digest
// matches; if the manifest is too old to have one, into no more than the segment's size.
func (m *Manifest) DecodeFrame(f Frame, compressed, buf []byte) ([]byte, error) {
	if sum := sha256.Sum256(compressed); f.SHA256 != "" && hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, errors.New("it is not what was written, by its digest")
	}
	lines, err := decompress(compressed, buf, m.maxBytes(f))
	if err != nil {
		return nil, fmt.Errorf("it cannot be decompressed: %w", err)
	}
	if count := bytes.Count(lines, newline); count != f.Count || !bytes.HasSuffix(lines, newline) {
		return nil, fmt.Errorf("it has %d lines, %d were written", count, f.Count)
	}
	return lines, nil
}

// maxBytes bounds the decompressed size of a frame.
func (m *Manifest) maxBytes(f Frame) int64 {
	most := max(1, min(int64(f.Count), MaxFrameBytes/maxLineBytes)) * maxLineBytes
	if m.RawBytes > 0 {
		most = min(most, m.RawBytes)
	}
	return most
}

// decompress reuses buf if it is large enough.
func decompress(compressed, buf []byte, most int64) ([]byte, error) {
	var header zstd.Header
	if err := header.Decode(compressed); err != nil {
		return nil, err
	}
	size := most // frames of a few lines do not state their size
	if header.HasFCS {
		size = int64(min(header.FrameContentSize, MaxFrameBytes+1))
	}
	if size > most {
		return nil, fmt.Errorf("it says that it has %d bytes, %d were written at most", header.FrameContentSize, most)
	}
	decompressor, err := decoder()
	if err != nil {
		return nil, err
	}
	room := size + spare
	if int64(cap(buf)) < room {
		buf = make([]byte, 0, room)
	}
	lines, err := decompressor.DecodeAll(compressed, buf[:0:room])
	if err == nil && int64(len(lines)) > size {
		err = zstd.ErrDecoderSizeExceeded
	}
	if err != nil {
		return nil, err
	}
	return buf[:len(lines)], nil
}
