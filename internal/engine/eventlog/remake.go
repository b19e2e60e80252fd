package eventlog

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/event"
)

// ErrOtherEvents means that events are not those of a segment, or that this program packs them differently
// than the one that made the segment.
var ErrOtherEvents = errors.New("the events do not make the segment that was lost")

// Remake restores the object of a segment that was lost or damaged from the events of its batch, in order.
// The result must match the manifest byte for byte.
func Remake(ctx context.Context, blobs Blobs, m *Manifest, events []event.Event) error {
	batch := make([]Record, len(events))
	for i := range events {
		batch[i].Event = events[i]
	}
	if len(batch) == 0 {
		return fmt.Errorf("%w: segment %d", ErrOtherEvents, m.First)
	}
	s, err := encode(batch)
	if err != nil {
		return err
	}
	if s.manifest.SHA256 != m.SHA256 || s.manifest.Bytes != m.Bytes {
		return fmt.Errorf("%w: segment %d", ErrOtherEvents, m.First)
	}
	return blobs.Put(ctx, m.Key, s.data)
}
