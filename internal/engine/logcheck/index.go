package logcheck

import (
	"bytes"
	"context"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// defaultHeld is how many events of a log are held in memory at once, as a digest each: with
// the names of their streams that is some 100 MB.
const defaultHeld = 2_000_000

// part is a part of all streams, of which there are count: as much as is held at once. count is
// a power of two; up to eventlog.Partitions a part is some of the log's partitions, above that
// it is a part of one.
type part struct{ index, count int }

// parts divides a log of so many events.
func (l *Log) parts(events uint64) []part {
	held := uint64(defaultHeld)
	if l.Held > 0 {
		held = uint64(l.Held)
	}
	count := 1
	for events/uint64(count) > held {
		count *= 2
	}
	all := make([]part, count)
	for i := range all {
		all[i] = part{i, count}
	}
	return all
}

// reads reports whether there are streams of the part in a partition of the log.
func (p part) reads(partition int) bool {
	return partition%min(p.count, eventlog.Partitions) == p.index%eventlog.Partitions
}

func (p part) has(stream string) bool {
	hash := eventlog.HashOf(stream)
	return p.reads(int(hash%eventlog.Partitions)) &&
		(p.count <= eventlog.Partitions || int(hash/eventlog.Partitions)%(p.count/eventlog.Partitions) == p.index/eventlog.Partitions)
}

// index is what the log has of a part: a digest of each event, by stream and version.
type index struct {
	part    part
	digests eventlog.Digests
	// A pointer, since assigning to a key that is there would put the key in anew: a name that
	// is only lent to add.
	streams map[string]*versions
}

// versions are the digests of a stream's events; 0 for one that is not there.
type versions struct{ digests []uint64 }

func newIndex(p part) *index {
	return &index{part: p, digests: eventlog.NewDigests(), streams: map[string]*versions{}}
}

// outcome is what adding an event has shown.
type outcome int

const (
	added outcome = iota
	repeated
	contradicted // there is another of that stream and version
	impossible   // no stream has such a version
)

// maxVersion bounds the versions of one stream that are believed, so that a damaged one does
// not take all memory.
const maxVersion = 10_000_000

func (x *index) add(e *event.Event) outcome {
	if e.Version < 1 || e.Version > maxVersion {
		return impossible
	}
	have := x.streams[e.Stream]
	if have == nil {
		have = &versions{}
		x.streams[strings.Clone(e.Stream)] = have
	}
	digest := x.digests.Of(e)
	if there := have.at(e.Version); there != 0 {
		if there == digest {
			return repeated
		}
		return contradicted
	}
	for uint64(len(have.digests)) < e.Version {
		have.digests = append(have.digests, 0)
	}
	have.digests[e.Version-1] = digest
	return added
}

// at is the digest of a version; 0 when it is not there.
func (v *versions) at(version uint64) uint64 {
	if v == nil || version < 1 || version > uint64(len(v.digests)) {
		return 0
	}
	return v.digests[version-1]
}

// left are the versions that nobody has taken.
func (v *versions) left(f func(version uint64)) {
	if v == nil {
		return
	}
	for i, digest := range v.digests {
		if digest != 0 {
			f(uint64(i) + 1)
		}
	}
}

// frames calls f for the lines of each frame that may hold events of a part with numbers above
// after and up to upTo, in the order of the log. What cannot be read is for damaged to decide.
func (l *Log) frames(ctx context.Context, p part, after, upTo uint64, damaged func(error) error, f func(frame eventlog.Frame, lines []byte) error) error {
	type piece struct {
		manifest *eventlog.Manifest
		frame    eventlog.Frame
		lines    []byte
		err      error
	}
	reader := &eventlog.Reader{Ledger: l.Ledger, Blobs: l.Blobs}
	return ordered(ctx, l.workers(),
		func(ctx context.Context, next func(piece) error) error {
			return l.segments(ctx, after, upTo, func(m *eventlog.Manifest) error {
				for _, frame := range m.Frames {
					if !p.reads(frame.Partition) {
						continue
					}
					if err := next(piece{manifest: m, frame: frame}); err != nil {
						return err
					}
				}
				return nil
			})
		},
		func(ctx context.Context, got piece) (piece, error) {
			got.lines, got.err = reader.ReadFrame(ctx, got.manifest, got.frame, nil)
			return got, ctx.Err()
		},
		func(got piece) error {
			if got.err != nil {
				return damaged(got.err)
			}
			return f(got.frame, got.lines)
		})
}

// eachLine calls f for each line, of which the first has the number first.
func eachLine(lines []byte, first uint64, f func(number uint64, line []byte) error) error {
	for number := first; len(lines) > 0; number++ {
		end := bytes.IndexByte(lines, '\n')
		if err := f(number, lines[:end]); err != nil {
			return err
		}
		lines = lines[end+1:]
	}
	return nil
}
