package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/event"
)

// errAllFound stops reading the log when all streams were found.
var errAllFound = errors.New("all streams were found")

// Holding returns which of the given streams have events in the log. It reads their partitions of the whole
// log until it has found all, and fails when it cannot read a partition.
func (r *Reader) Holding(ctx context.Context, streams []string) (map[string]bool, error) {
	wanted, left := map[string]bool{}, map[int]int{} // names; how many are left to find in each partition
	for _, s := range streams {
		if !wanted[s] {
			wanted[s] = true
			left[PartitionOf(s)]++
		}
	}
	held := map[string]bool{}
	head, err := r.WholeHead(ctx)
	if err == nil {
		d := event.NewDecoder()
		var buf []byte
		err = r.Manifests(ctx, 0, head.Number, func(m *Manifest) error {
			for _, f := range m.Frames {
				if left[f.Partition] == 0 {
					continue
				}
				if buf, err = r.ReadFrame(ctx, m, f, buf); err != nil {
					return err
				}
				d.Reset()
				err := eachEvent(d, buf, f.First, 0, head.Number, func(_ uint64, e *event.Event) error {
					if wanted[e.Stream] && !held[e.Stream] {
						held[strings.Clone(e.Stream)] = true
						left[f.Partition]--
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			if len(held) == len(wanted) {
				return errAllFound
			}
			return ctx.Err()
		})
	}
	if err != nil && !errors.Is(err, errAllFound) {
		return nil, fmt.Errorf("looking for streams in the log: %w", err)
	}
	return held, nil
}
