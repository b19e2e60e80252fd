package logcheck

import (
	"bytes"
	"context"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// defaultHeld is how many events of a log are held in memory at once, as one digest each. With the names of
// their streams that takes some 100 MB.
const defaultHeld = 2_000_000

// part is a subset of all streams, as large as is held in memory at once; count is the number of parts. count
// is a power of two; up to eventlog.Partitions, a part is several of the log's partitions, above that a share
// of one.
type part struct{ index, count int }

// parts divides a log with that many events.
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

// reads reports whether a partition of the log has streams of the part.
func (p part) reads(partition int) bool {
	return partition%min(p.count, eventlog.Partitions) == p.index%eventlog.Partitions
}

func (p part) has(stream string) bool {
	hash := eventlog.HashOf(stream)
	return p.reads(int(hash%eventlog.Partitions)) &&
		(p.count <= eventlog.Partitions || int(hash/eventlog.Partitions)%(p.count/eventlog.Partitions) == p.index/eventlog.Partitions)
}

// index holds a digest of each log event of a part, by stream and version.
type index struct {
	part    part
	digests eventlog.Digests
	// A pointer, since assigning to an existing key would store the key again, and the name passed to add is
	// only borrowed.
	streams map[string]*versions
}

// versions are the digests of a stream's events; 0 for a missing one.
type versions struct{ digests []uint64 }

func newIndex(p part) *index {
	return &index{part: p, digests: eventlog.NewDigests(), streams: map[string]*versions{}}
}

// outcome is the result of adding an event.
type outcome int

const (
	added outcome = iota
	repeated
	contradicted // the stream has another event of that version
	impossible   // no stream has such a version
)

// maxVersion bounds the versions of one stream that are accepted, so that a damaged one does not use up all
// memory.
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

// at returns the digest of a version; 0 if it is missing.
func (v *versions) at(version uint64) uint64 {
	if v == nil || version < 1 || version > uint64(len(v.digests)) {
		return 0
	}
	return v.digests[version-1]
}

// left calls f with each version that was not taken.
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

// frames calls f for the lines of each frame that may hold events of a part with numbers above after and up
// to upTo, in the order of the log. It passes read errors to damaged, which decides whether to go on.
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

// eachLine calls f for each line; first is the number of the first one.
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
