package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/event"
)

// errAllFound ends the reading of the log when nothing is looked for any more.
var errAllFound = errors.New("all streams were found")

// Holding tells which of some streams the log has events of. It reads the partitions that they are
// in, of the whole log, until it has found all. It fails when it cannot read all of them.
func (r *Reader) Holding(ctx context.Context, streams []string) (map[string]bool, error) {
	wanted, left := map[string]bool{}, map[int]int{} // names, and how many are looked for in a partition
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
