package eventlog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"gakushoku/internal/event"
)

// The folders of the log's objects.
const (
	SegmentFolder  = "segments/"
	ManifestFolder = "manifests/"
	segmentSuffix  = ".jsonl.zst"
	manifestSuffix = ".json"
)

// ManifestKey returns the key of the manifest of the segment that begins with number first. Keys sort like
// numbers.
func ManifestKey(first uint64) string {
	return fmt.Sprintf("%s%020d%s", ManifestFolder, first, manifestSuffix)
}

// segmentKey returns the key of a segment made at a moment. It has no number, so a segment that loses the
// race for the head need not be written again.
func segmentKey(at event.Instant, id string) string {
	return SegmentFolder + at.Time().Format("2006-01-02") + "/" + id + segmentSuffix
}

// encoder compresses frames. It is used for whole frames only, which is safe for concurrent use.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
})

// segment is an encoded batch that has no numbers yet: in its manifest they begin at 1.
type segment struct {
	data     []byte
	manifest Manifest
}

// encode makes the object of a batch: the events as lines of JSON, those of one partition
// after those of another, and within a partition in the order of the batch. Each partition
// is a frame of its own, and frames one after another decompress as one.
func encode(batch []Record) (segment, error) {
	if len(batch) == 0 {
		return segment{}, errors.New("a segment cannot be empty")
	}
	compressor, err := encoder()
	if err != nil {
		return segment{}, fmt.Errorf("preparing to compress: %w", err)
	}
	var lines [Partitions][]byte
	var counts [Partitions]int
	s := segment{manifest: Manifest{
		First: 1, Last: uint64(len(batch)), Partitions: Partitions, OldestAt: batch[0].Event.OccurredAt, NewestAt: batch[0].Event.OccurredAt,
	}}
	for i := range batch {
		e := &batch[i].Event
		p := PartitionOf(e.Stream)
		lines[p] = append(event.AppendJSON(lines[p], e), '\n')
		counts[p]++
		s.manifest.OldestAt, s.manifest.NewestAt = min(s.manifest.OldestAt, e.OccurredAt), max(s.manifest.NewestAt, e.OccurredAt)
	}
	next := uint64(1)
	for p := range lines {
		if counts[p] == 0 {
			continue
		}
		if len(lines[p]) > MaxFrameBytes {
			return segment{}, fmt.Errorf("the events of partition %d have %d bytes, a segment has room for %d of each: archive fewer at once", p, len(lines[p]), MaxFrameBytes)
		}
		offset := len(s.data)
		s.data = compressor.EncodeAll(lines[p], s.data)
		sum := sha256.Sum256(s.data[offset:])
		s.manifest.Frames = append(s.manifest.Frames, Frame{
			Partition: p, Offset: int64(offset), Length: int64(len(s.data) - offset), First: next, Count: counts[p], SHA256: hex.EncodeToString(sum[:]),
		})
		s.manifest.RawBytes += int64(len(lines[p]))
		next += uint64(counts[p])
	}
	digest := sha256.Sum256(s.data)
	s.manifest.Bytes, s.manifest.SHA256 = int64(len(s.data)), hex.EncodeToString(digest[:])
	return s, nil
}

// from returns the manifest, given the number of the first event.
func (s *segment) from(first uint64) Manifest {
	m := s.manifest
	m.First, m.Last = first, first+m.Last-1
	m.Frames = make([]Frame, len(s.manifest.Frames))
	for i, f := range s.manifest.Frames {
		f.First += first - 1
		m.Frames[i] = f
	}
	return m
}
