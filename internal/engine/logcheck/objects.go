package logcheck

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// unread is why what seems to be missing may exist.
const unread = "some of the log cannot be read"

// object is a segment as read; data is nil if there is none.
type object struct {
	manifest *eventlog.Manifest
	data     []byte
	digest   string
}

// readObjects reads every object up to a number, checks all of it, and adds the events of the index's part.
func (v *verification) readObjects(ctx context.Context, held *index, upTo uint64) error {
	var buf []byte
	return ordered(ctx, v.workers(),
		func(ctx context.Context, next func(*eventlog.Manifest) error) error {
			return v.segments(ctx, 0, upTo, next)
		},
		func(ctx context.Context, m *eventlog.Manifest) (object, error) {
			data, err := v.Blobs.Get(ctx, m.Key)
			if noObject(err) {
				return object{manifest: m}, nil
			}
			digest := sha256.Sum256(data)
			return object{m, data, hex.EncodeToString(digest[:])}, err
		},
		func(o object) error {
			if o.data != nil && int64(len(o.data)) == o.manifest.Bytes && o.digest != o.manifest.SHA256 {
				if err := v.damagedObject(ctx, &o); err != nil {
					return err
				}
			}
			o.look(v, held, &buf)
			return nil
		})
}

// damagedObject reports an object with a wrong digest, and reads it again if it was repaired.
func (v *verification) damagedObject(ctx context.Context, o *object) error {
	mended, err := v.lostObject(ctx, o.manifest, ObjectDamaged, "its SHA-256 is "+o.digest+", it was "+o.manifest.SHA256)
	if err != nil || !mended {
		return err
	}
	if o.data, err = v.Blobs.Get(ctx, o.manifest.Key); err == nil {
		o.digest = o.manifest.SHA256
	}
	return err
}

// look checks a whole object. A missing object or one of another size has been reported before.
func (o *object) look(v *verification, held *index, buf *[]byte) {
	m := o.manifest
	if o.data == nil || int64(len(o.data)) != m.Bytes {
		v.unsure = unread
		return
	}
	if o.digest != m.SHA256 {
		v.unsure = unread
	}
	s := &segmentContent{verification: v, manifest: m, held: held}
	for _, f := range m.Frames {
		if f.Offset < 0 || f.Length < 0 || f.Offset > m.Bytes || f.Length > m.Bytes-f.Offset {
			v.unsure = unread // the manifest contradicts itself, which was reported
			continue
		}
		lines, err := m.DecodeFrame(f, o.data[f.Offset:f.Offset+f.Length], *buf)
		if err != nil {
			v.unsure = unread
			v.report.add(Problem{Kind: ObjectDamaged, Segment: m.First, Key: m.Key, Detail: fmt.Sprintf("partition %d: %v", f.Partition, err)})
			continue
		}
		*buf = lines
		s.frame(f, lines)
		v.progress()
	}
	if s.read == m.Count() && (s.oldest != m.OldestAt || s.newest != m.NewestAt) {
		v.report.add(Problem{Kind: BadManifest, Segment: m.First, Key: m.Key, Detail: fmt.Sprintf("its events happened from %s to %s, not from %s to %s", s.oldest, s.newest, m.OldestAt, m.NewestAt)})
	}
}

// fits reports whether a manifest describes an object.
func fits(m *eventlog.Manifest, data []byte) bool {
	if m.Check() != nil || !m.Describes(data) {
		return false
	}
	var buf []byte
	raw := int64(0)
	for _, f := range m.Frames {
		lines, err := m.DecodeFrame(f, data[f.Offset:f.Offset+f.Length], buf)
		if err != nil {
			return false
		}
		raw, buf = raw+int64(len(lines)), lines
	}
	return raw == m.RawBytes
}

// segmentContent is what has been read of one segment.
type segmentContent struct {
	*verification
	manifest       *eventlog.Manifest
	held           *index
	read           int
	oldest, newest event.Instant
}

// frame checks the lines of one partition.
func (s *segmentContent) frame(f eventlog.Frame, lines []byte) {
	var e event.Event
	_ = eachLine(lines, f.First, func(number uint64, line []byte) error {
		p := Problem{Kind: LineUnreadable, Segment: s.manifest.First, Key: s.manifest.Key, Number: number}
		if err := event.Decode(line, &e); err != nil {
			s.unsure, p.Detail = unread, err.Error()
			s.report.add(p)
			return nil
		}
		s.report.Read++
		if s.read == 0 {
			s.oldest, s.newest = e.OccurredAt, e.OccurredAt
		}
		s.read++
		s.oldest, s.newest = min(s.oldest, e.OccurredAt), max(s.newest, e.OccurredAt)
		if at := eventlog.PartitionOf(e.Stream); at != f.Partition {
			p.Stream, p.Version, p.EventID = e.Stream, e.Version, e.ID
			p.Detail = fmt.Sprintf("%s is of partition %d, but lies in %d", e.Stream, at, f.Partition)
			s.report.add(p)
		}
		if s.held.part.has(e.Stream) {
			s.take(s.held, number, &e)
		}
		return nil
	})
}
