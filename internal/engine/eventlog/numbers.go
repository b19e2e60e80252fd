package eventlog

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// Numberer finds the numbers of a stream's events in the log. It reads only the segments whose time range
// can hold one of them.
type Numberer struct {
	Log     *Reader
	Streams eventstore.Loader
}

// Numbers returns the event numbers by version. Events that are not in the log yet have none; of repeated
// events the first counts.
func (n *Numberer) Numbers(ctx context.Context, stream string) (map[uint64]uint64, error) {
	history, err := n.Streams.Load(ctx, stream, 0)
	if err != nil {
		return nil, err
	}
	head, err := n.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	numbers := map[uint64]uint64{}
	d := event.NewDecoder()
	var buf []byte
	err = n.Log.Manifests(ctx, 0, head.Number, func(m *Manifest) error {
		at := slices.IndexFunc(m.Frames, func(f Frame) bool { return f.Partition == PartitionOf(stream) })
		if at < 0 || !m.mayHold(history, numbers) {
			return nil
		}
		if buf, err = n.Log.ReadFrame(ctx, m, m.Frames[at], buf); err != nil {
			return err
		}
		d.Reset()
		return eachEvent(d, buf, m.Frames[at].First, 0, head.Number, func(number uint64, e *event.Event) error {
			if e.Stream == stream && numbers[e.Version] == 0 {
				numbers[e.Version] = number
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("finding the numbers of %s: %w", stream, err)
	}
	return numbers, nil
}

// mayHold reports whether one of these events, of which the numbers are still unknown, may be
// in the segment.
func (m *Manifest) mayHold(history []event.Event, numbers map[uint64]uint64) bool {
	return slices.ContainsFunc(history, func(e event.Event) bool {
		return numbers[e.Version] == 0 && m.OldestAt <= e.OccurredAt && e.OccurredAt <= m.NewestAt
	})
}
