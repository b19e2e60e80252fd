package eventlog

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/event"
)

// Collect calls f for the events of some streams in some segments: those that hold the given numbers, by
// stream. It reads each frame once, in the order of the log. f may use e until it returns. It fails if a number
// is not in the log, or a frame cannot be read.
func (r *Reader) Collect(ctx context.Context, wanted map[string][]uint64, f func(number uint64, e *event.Event) error) error {
	c := collection{Reader: r, wanted: wanted, f: f, decoder: event.NewDecoder()}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("reading streams from the log: %w", err)
	}
	return nil
}

// collection is one call of Collect.
type collection struct {
	*Reader
	wanted  map[string][]uint64
	f       func(uint64, *event.Event) error
	decoder *event.Decoder
	buf     []byte
}

func (c *collection) run(ctx context.Context) error {
	var numbers []uint64
	for _, some := range c.wanted {
		numbers = append(numbers, some...)
	}
	slices.Sort(numbers)
	for len(numbers) > 0 {
		m, err := c.holding(ctx, numbers[0])
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearch(numbers, m.Last+1)
		numbers = numbers[at:]
		if err := c.segment(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// holding returns the manifest of the segment that holds a number.
func (c *collection) holding(ctx context.Context, number uint64) (*Manifest, error) {
	if number < 1 {
		return nil, fmt.Errorf("event %d is not in the log", number)
	}
	manifests, err := c.Ledger.Manifests(ctx, number-1, 1)
	if err != nil {
		return nil, err
	}
	if len(manifests) == 0 || manifests[0].First > number {
		return nil, fmt.Errorf("event %d is not in the log", number)
	}
	return &manifests[0], manifests[0].Check()
}

// segment reads the streams that have a number in a segment.
func (c *collection) segment(ctx context.Context, m *Manifest) error {
	here := map[string]bool{}
	var partitions [Partitions]bool
	for stream, numbers := range c.wanted {
		if slices.ContainsFunc(numbers, func(n uint64) bool { return m.First <= n && n <= m.Last }) {
			here[stream], partitions[PartitionOf(stream)] = true, true
		}
	}
	for _, frame := range m.Frames {
		if !partitions[frame.Partition] {
			continue
		}
		lines, err := c.ReadFrame(ctx, m, frame, c.buf)
		if err != nil {
			return err
		}
		c.buf = lines
		c.decoder.Reset()
		err = eachEvent(c.decoder, lines, frame.First, 0, m.Last, func(number uint64, e *event.Event) error {
			if here[e.Stream] {
				return c.f(number, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
