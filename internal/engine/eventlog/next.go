package eventlog

import (
	"context"

	"gakushoku/internal/event"
)

// Next makes the segment of a batch that follows the log as it is now, and commits nothing: its manifest and its
// object. id is the unique part of the object's name.
func Next(ctx context.Context, ledger Ledger, batch []Record, at event.Instant, id string) (Manifest, []byte, error) {
	s, err := encode(batch)
	if err != nil {
		return Manifest{}, nil, err
	}
	s.manifest.CreatedAt, s.manifest.Key = at, segmentKey(at, id)
	head, err := ledger.Head(ctx)
	if err != nil {
		return Manifest{}, nil, err
	}
	m := s.from(head.Number + 1)
	m.Previous, err = head.next(ctx, ledger)
	return m, s.data, err
}
