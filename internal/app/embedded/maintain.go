package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/store/sqlite"
)

// Maintenance has the figures of a data folder that maintenance changes.
type Maintenance struct {
	LastRun   time.Time        `json:"lastRun,omitzero"` // when maintenance ended last
	Stores    []StoreUsage     `json:"stores"`
	Longest   []sqlite.Longest `json:"longestStreams"`
	Snapshots sqlite.Snapshots `json:"snapshots"`
	Log       logcheck.Upkeep  `json:"log"`
	Repeats   *uint64          `json:"repeats,omitempty"` // events that the log has again, if it was read
}

// StoreUsage is the room that one file of the folder takes.
type StoreUsage struct {
	Name string `json:"name"`
	sqlite.Usage
}

// Maintained is what a run of maintenance has done.
type Maintained struct {
	Before     Maintenance    `json:"before"`
	After      Maintenance    `json:"after"`
	Snapshots  int64          `json:"snapshotsDropped"`
	Swept      logcheck.Swept `json:"swept"`
	DurationMs int64          `json:"durationMs"`
}

const (
	longestStreams = 5
	// snapshotLife is how long a snapshot is kept after it was written. A stream that is still appended to gets
	// another one.
	snapshotLife = 7 * 24 * time.Hour
	// sweepAge is the age from which an object of the log that belongs to no segment is removed.
	sweepAge = 24 * time.Hour
)

// maintained is a file that is kept tidy.
type maintained struct {
	name  string
	usage func(context.Context) (sqlite.Usage, error)
	tidy  func(context.Context) error
}

// maintained returns the folder's databases.
func (f *Folder) maintained(ctx context.Context) ([]maintained, error) {
	all := []maintained{
		{"events.db", f.Events.Usage, f.Events.Tidy}, {"control.db", f.Control.Usage, f.Control.Tidy}, {"log.db", f.Ledger.Usage, f.Ledger.Tidy},
	}
	for _, name := range canteen.Projections().Names() {
		pointer, err := f.Control.Pointer(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, v := range pointer.Versions {
			if t := pointer.Table(v); v.Live() && v.State != projection.Building {
				all = append(all, maintained{
					"readmodels/" + t.String() + ".db",
					func(ctx context.Context) (sqlite.Usage, error) { return f.Tables.Usage(ctx, t) },
					func(ctx context.Context) error { return f.Tables.Tidy(ctx, t) },
				})
			}
		}
	}
	return all, nil
}

// MaintenanceStats returns the figures; with repeats, it reads the whole log.
func (f *Folder) MaintenanceStats(ctx context.Context, repeats bool) (m Maintenance, err error) {
	all, err := f.maintained(ctx)
	if err != nil {
		return m, err
	}
	for _, file := range all {
		u, err := file.usage(ctx)
		if err != nil {
			return m, err
		}
		m.Stores = append(m.Stores, StoreUsage{file.name, u})
	}
	if m.LastRun, err = lastMaintenance(f.Dir); err == nil {
		m.Longest, err = f.Events.Longest(ctx, longestStreams)
	}
	if err == nil {
		m.Snapshots, err = f.Control.Snapshots(ctx, time.Now().Add(-snapshotLife))
	}
	if err == nil {
		m.Log, err = f.LogCheck.Upkeep(ctx)
	}
	if err == nil && repeats {
		var stats logcheck.Stats
		stats, err = f.LogCheck.Stats(ctx, true)
		m.Repeats = stats.Repeats
	}
	return m, err
}

// Maintain tidies every database, drops old snapshots, and sweeps the log. A server may go on meanwhile. It may be
// repeated, and end at any moment: each of its steps leaves everything in order. One that fails does not keep the
// others from being done.
func (f *Folder) Maintain(ctx context.Context) (m Maintained, err error) {
	started := time.Now()
	if m.Before, err = f.MaintenanceStats(ctx, false); err != nil {
		return m, err
	}
	var errs []error
	m.Snapshots, err = f.Control.DropSnapshots(ctx, started.Add(-snapshotLife))
	errs = append(errs, err)
	m.Swept, err = f.LogCheck.Sweep(ctx, sweepAge, false)
	errs = append(errs, err)
	all, err := f.maintained(ctx)
	errs = append(errs, err)
	for _, file := range all {
		if ctx.Err() == nil {
			errs = append(errs, file.tidy(ctx))
		}
	}
	if err = errors.Join(append(errs, ctx.Err())...); err == nil {
		err = noteMaintenance(f.Dir, time.Now())
	}
	if err == nil {
		m.After, err = f.MaintenanceStats(ctx, false)
	}
	m.DurationMs = time.Since(started).Milliseconds()
	return m, err
}

// maintenanceFile holds when maintenance ended last.
const maintenanceFile = "maintenance.json"

type maintenanceNote struct {
	EndedAt time.Time `json:"endedAt"`
}

// lastMaintenance returns when maintenance ended last; the zero time if it never has.
func lastMaintenance(dir string) (time.Time, error) {
	var note maintenanceNote
	data, err := readSmall(filepath.Join(dir, maintenanceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err == nil && json.Unmarshal(data, &note) != nil {
		return time.Time{}, nil // it is written again by the next run
	}
	if err != nil {
		err = fmt.Errorf("reading when maintenance was done: %w", err)
	}
	return note.EndedAt, err
}

func noteMaintenance(dir string, at time.Time) error {
	data, err := json.Marshal(maintenanceNote{at.UTC().Truncate(time.Second)})
	if err == nil {
		err = writeWhole(dir, maintenanceFile, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("noting that maintenance was done: %w", err)
	}
	return nil
}
