package command

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/s2"

	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

const (
	snapshotEvery = 256
	// snapshotLimit is how long the writing of a snapshot may take.
	snapshotLimit = 5 * time.Second
	// snapshotMemory bounds what a snapshot becomes when it is read.
	snapshotMemory = 64 << 20
	// snapshotForm begins the data of a snapshot. A checksum follows, and then digests of commands and the state,
	// compressed.
	snapshotForm = 1
	snapshotHead = 5 // bytes before what is compressed
)

// recall keeps what a snapshot has of a stream. It returns false if there is none that this program can read.
// The first command that uses it compares it with the stream: a snapshot may be from another age of the stores.
func recall[S any, C model.Command](ctx context.Context, c *Cache, d model.Decider[S, C], stream string) bool {
	if c == nil || c.Snapshots == nil || d.Snapshots == nil {
		return false
	}
	ctx, part := observe.StartPart(ctx, "snapshot")
	s, err := c.Snapshots.Snapshot(ctx, stream)
	part.Over(ctx, err).Int(observe.AttrVersion, int(s.Version)).End()
	if err == nil && (s.Version == 0 || s.Revision != d.Snapshots.Revision) {
		return false
	}
	f := &folded{stream: stream, version: s.Version, unproven: s.EventID}
	if err == nil {
		f.state, f.commands, err = unpack(d.Snapshots, s.Data)
	}
	if err != nil || f.unproven == "" {
		unusable(ctx, "reading", stream, s.Version, err)
		return false
	}
	c.recall(f)
	return true
}

// store stores the state after a command as a snapshot, each time that a stream has grown by so many events. A
// snapshot that is not written is not missed: the next one is.
func store[S any, C model.Command](ctx context.Context, c *Cache, d model.Decider[S, C], before uint64, r Result[S]) {
	if c == nil || c.Snapshots == nil || d.Snapshots == nil {
		return
	}
	if every := uint64(cmp.Or(c.Every, snapshotEvery)); before/every == r.Version/every {
		return
	}
	last := &r.Events[len(r.Events)-1]
	known, ok := c.digests(last.Stream, r.Version)
	if !ok {
		return // others were faster
	}
	s := streamstate.Snapshot{Stream: last.Stream, Version: r.Version, EventID: last.ID, Revision: d.Snapshots.Revision}
	write := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), snapshotLimit)
		defer cancel()
		var err error
		if s.Data, err = pack(d.Snapshots, r.State, known); err == nil {
			err = c.Snapshots.SetSnapshot(ctx, s)
		}
		if err != nil {
			unusable(ctx, "writing", s.Stream, s.Version, err)
		}
	}
	if c.Later != nil {
		c.Later(write)
		return
	}
	write()
}

// unusable notes that commands have to do without a snapshot.
func unusable(ctx context.Context, doing, stream string, version uint64, err error) {
	observe.Logger(ctx).Warn().Str(observe.FieldStream, stream).Uint64(observe.FieldVersion, version).
		Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Str("doing", doing).Msg("command:no-snapshot")
}

// pack returns the data of a snapshot.
func pack[S any](how *model.Snapshots[S], state S, known commands) ([]byte, error) {
	encoded, err := how.Encode(state)
	if err != nil {
		return nil, fmt.Errorf("encoding a state: %w", err)
	}
	raw := append(known.append(nil), encoded...)
	head := binary.BigEndian.AppendUint32([]byte{snapshotForm}, crc32.ChecksumIEEE(raw))
	return append(head, s2.EncodeBetter(nil, raw)...), nil
}

// unpack reads what pack has returned.
func unpack[S any](how *model.Snapshots[S], data []byte) (state S, known commands, err error) {
	if len(data) < snapshotHead || data[0] != snapshotForm {
		return state, known, errors.New("its form is not known")
	}
	size, err := s2.DecodedLen(data[snapshotHead:])
	if err == nil && size > snapshotMemory {
		err = fmt.Errorf("it has %d bytes, %d is the limit", size, snapshotMemory)
	}
	if err != nil {
		return state, known, err
	}
	raw, err := s2.Decode(nil, data[snapshotHead:])
	if err == nil && crc32.ChecksumIEEE(raw) != binary.BigEndian.Uint32(data[1:]) {
		err = errors.New("its checksum is wrong")
	}
	if err != nil {
		return state, known, err
	}
	if known, raw, err = readCommands(raw); err != nil {
		return state, known, err
	}
	state, err = how.Decode(raw)
	return state, known, err
}

// Background carries out what commands leave for later, one after another. What there is no room for is left
// out.
type Background struct{ queue chan func() }

// backgroundRoom is how much may wait.
const backgroundRoom = 16

// NewBackground returns a Background; it works while Run runs.
func NewBackground() *Background { return &Background{make(chan func(), backgroundRoom)} }

// Later leaves work to Run, and never waits.
func (b *Background) Later(work func()) {
	select {
	case b.queue <- work:
	default:
	}
}

// Run works until ctx ends.
func (b *Background) Run(ctx context.Context) {
	for {
		select {
		case work := <-b.queue:
			work()
		case <-ctx.Done():
			return
		}
	}
}
