package logcheck

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventlog"
)

// tinyEvents is the number of events below which a segment is tiny: reading its manifest costs more than its events.
const tinyEvents = 100

// Upkeep has the figures of a log that maintenance changes.
type Upkeep struct {
	Segments    int   `json:"segments"`
	Tiny        int   `json:"tiny"` // segments with few events
	Bytes       int64 `json:"bytes"`
	Orphans     int   `json:"orphans"` // objects that belong to no segment
	OrphanBytes int64 `json:"orphanBytes"`
}

// Upkeep returns the figures. It reads the manifests and lists the objects.
func (l *Log) Upkeep(ctx context.Context) (u Upkeep, err error) {
	err = l.segments(ctx, 0, toTheEnd, func(m *eventlog.Manifest) error {
		u.Segments++
		u.Bytes += m.Bytes
		if m.Count() < tinyEvents {
			u.Tiny++
		}
		return nil
	})
	if err == nil {
		var orphans []eventlog.Blob
		if orphans, err = l.orphans(ctx); err == nil {
			for _, b := range orphans {
				u.Orphans++
				u.OrphanBytes += b.Bytes
			}
		}
	}
	if err != nil {
		return u, fmt.Errorf("looking through the log: %w", err)
	}
	return u, nil
}
