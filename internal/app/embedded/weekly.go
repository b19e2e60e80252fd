package embedded

import (
	"context"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
)

const (
	maintenanceEvery = 7 * 24 * time.Hour
	// maintenanceHour is the hour of the day, in the machine's time zone, in which maintenance begins.
	maintenanceHour = 3
	maintenanceLook = 10 * time.Minute
)

// maintenanceDue reports whether a server begins maintenance now. last is when it was done, the zero time if it
// never was.
func maintenanceDue(last, now time.Time) bool {
	// A run ends some time after it began, and the week after must not wait for the next night because of that.
	return now.Hour() == maintenanceHour && now.Sub(last) > maintenanceEvery-12*time.Hour
}

// maintainEachWeek maintains the folder at night, once a week, until ctx ends.
func (r *running) maintainEachWeek(ctx context.Context) {
	for wait.For(ctx, maintenanceLook) == nil {
		last, err := lastMaintenance(r.folder.Dir)
		if err == nil && !maintenanceDue(last, time.Now()) {
			continue
		}
		var done Maintained
		if err == nil {
			done, err = r.folder.Maintain(ctx)
		}
		if err != nil {
			r.logger.Warn().Str("errorClass", string(fault.ClassOf(err))).Err(err).Msg("maintenance:failed")
			continue
		}
		r.logger.Info().Int64("durationMs", done.DurationMs).Int64("freed", done.freed()).Int("swept", done.Swept.Objects).
			Int64("snapshots", done.Snapshots).Msg("maintenance:done")
	}
}

// freed returns by how many bytes the databases have become smaller.
func (m *Maintained) freed() (bytes int64) {
	for _, s := range m.Before.Stores {
		bytes += s.Bytes + s.LogBytes
	}
	for _, s := range m.After.Stores {
		bytes -= s.Bytes + s.LogBytes
	}
	return bytes
}
