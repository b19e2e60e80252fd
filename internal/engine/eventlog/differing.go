package eventlog

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// Differing compares streams of the event store with the log. For each stream that differs it names
// the event that is not the same in both. An event that only one of them has is no difference:
// it may be on its way. Differing reads the streams' partitions of the whole log, and fails when it cannot
// read all of them, or when Reader.Trusted does.
func (r *Reader) Differing(ctx context.Context, store eventstore.Loader, streams []string) (map[string]string, error) {
	c := comparison{digests: NewDigests(), stored: map[string][]uint64{}, differing: map[string]string{}}
	for some := range slices.Chunk(streams, comparedAtOnce) {
		histories, err := store.LoadMany(ctx, some)
		if err != nil {
			return nil, err
		}
		for stream, history := range histories {
			c.note(stream, history)
		}
	}
	if len(c.stored) == 0 {
		return nil, nil
	}
	head, err := r.WholeHead(ctx)
	if err == nil && r.Trusted != nil {
		err = r.Trusted(ctx)
	}
	if err == nil {
		err = r.EachOf(ctx, head.Number, c.wanted(), nil, c.compare)
	}
	if err != nil {
		return nil, fmt.Errorf("comparing streams with the log: %w", err)
	}
	return c.differing, nil
}

// comparedAtOnce is how many streams of the store are held at a time.
const comparedAtOnce = 500

// comparison is one call of Differing.
type comparison struct {
	digests   Digests
	stored    map[string][]uint64 // by stream and version - 1; 0 where the store has none
	differing map[string]string
}

func (c *comparison) note(stream string, history []event.Event) {
	var sums []uint64
	for i := range history {
		e := &history[i]
		for uint64(len(sums)) < e.Version {
			sums = append(sums, 0)
		}
		sums[e.Version-1] = c.digests.Of(e)
	}
	c.stored[stream] = sums
}

// wanted returns the partitions of the streams.
func (c *comparison) wanted() (partitions [Partitions]bool) {
	for stream := range c.stored {
		partitions[PartitionOf(stream)] = true
	}
	return partitions
}

func (c *comparison) compare(_ *Manifest, _ uint64, e *event.Event) error {
	sums := c.stored[e.Stream]
	if e.Version < 1 || e.Version > uint64(len(sums)) || sums[e.Version-1] == 0 || sums[e.Version-1] == c.digests.Of(e) {
		return nil
	}
	own := e.Clone()
	if c.differing[own.Stream] == "" {
		c.differing[own.Stream] = fmt.Sprintf("version %d (event %s in the log) differs between store and log", own.Version, own.ID)
	}
	return nil
}

// EachOf calls f for the events of some partitions with numbers up to one, in the order of the log, with the
// segment that each is in. It leaves out the segments for which skip returns true; a nil skip leaves out none.
func (r *Reader) EachOf(ctx context.Context, upTo uint64, wanted [Partitions]bool, skip func(*Manifest) bool, f func(m *Manifest, number uint64, e *event.Event) error) error {
	d := event.NewDecoder()
	var buf []byte
	return r.Manifests(ctx, 0, upTo, func(m *Manifest) error {
		if skip != nil && skip(m) {
			return nil
		}
		for _, frame := range m.Frames {
			if !wanted[frame.Partition] {
				continue
			}
			lines, err := r.ReadFrame(ctx, m, frame, buf)
			if err != nil {
				return err
			}
			buf = lines
			d.Reset()
			err = eachEvent(d, lines, frame.First, 0, upTo, func(number uint64, e *event.Event) error { return f(m, number, e) })
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}
