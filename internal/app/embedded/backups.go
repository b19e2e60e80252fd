package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	places "gakushoku/internal/app/place"
	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/backups"
	"gakushoku/internal/operate/health"
)

// BackupOptions say where and when a server makes backups.
type BackupOptions struct {
	To      string           // the place; "" for no backups
	At      backups.Schedule // of backups
	Drill   backups.Schedule // of rehearsed restores
	Keep    time.Duration
	Program string // version of this program
}

// backupRounds returns what makes the server's backups; nil if it makes none. The place is opened for each, so that
// a disk or a network that comes back is found.
func (f *Folder) backupRounds(o BackupOptions) *backups.Rounds {
	if o.To == "" {
		return nil
	}
	return &backups.Rounds{Checkpoints: f.Control, Now: time.Now, Jobs: []backups.Job{
		{
			Part: health.PartBackup, Schedule: o.At, Bound: backups.BackupBound,
			Do:   func(ctx context.Context) (uint64, map[string]any, error) { return f.backUp(ctx, o) },
			Late: func(ctx context.Context, m *observe.Metrics, late bool) { m.BackupLate(ctx, late) },
		},
		{
			Part: health.PartRestore, Schedule: o.Drill, Bound: backups.RestoreBound, FailsAtOnce: true,
			Do:   func(ctx context.Context) (uint64, map[string]any, error) { return rehearse(ctx, o.To) },
			Late: func(ctx context.Context, m *observe.Metrics, late bool) { m.RestoreFailed(ctx, late) },
		},
	}}
}

// backUp makes a backup and removes old ones.
func (f *Folder) backUp(ctx context.Context, o BackupOptions) (uint64, map[string]any, error) {
	to, err := places.Open(ctx, o.To)
	if err != nil {
		return 0, nil, err
	}
	source, err := f.BackupSource(ctx, o.Program)
	if err != nil {
		return 0, nil, err
	}
	made, err := source.Create(ctx, to)
	if err != nil {
		return 0, nil, err
	}
	report, err := backup.Verify(ctx, to, made, false, nil)
	if err == nil && !report.Sound {
		err = fmt.Errorf("backup %s is not sound: %v", made.ID, report.Problems)
	}
	if err != nil {
		return 0, nil, err
	}
	fields := map[string]any{"backup": made.ID, "objects": made.Copied.Objects, "bytes": made.Copied.Bytes}
	pruned, err := backup.Prune(ctx, to, o.Keep, time.Now(), observe.NewID(), false)
	if err != nil { // the backup is good; the next one prunes too
		observe.Logger(ctx).Warn().Err(err).Msg("backup:not-pruned")
	} else {
		fields["removed"] = len(pruned.Removed)
	}
	return made.Head.Number, fields, nil
}

func rehearse(ctx context.Context, target string) (uint64, map[string]any, error) {
	from, err := places.Read(ctx, target)
	if err != nil {
		return 0, nil, err
	}
	report, err := RehearseRestore(ctx, from, "", RestoreOptions{})
	if err != nil {
		return 0, nil, err
	}
	return report.Events, map[string]any{"backup": report.Backup, "restoreMs": report.TotalMs}, nil
}

// RehearseRestore restores the newest backup into a scratch folder, verifies it, and removes it again. The folder is
// below scratch; "" is the system's place for temporary files.
func RehearseRestore(ctx context.Context, from eventlog.BlobReader, scratch string, o RestoreOptions) (*RestoreReport, error) {
	newest, err := backup.Find(ctx, from, "")
	if err != nil {
		return nil, fmt.Errorf("rehearsing a restore: %w", err)
	}
	dir, err := os.MkdirTemp(scratch, "gakushoku-restore-")
	if err != nil {
		return nil, fmt.Errorf("rehearsing a restore: %w", err)
	}
	report, err := Restore(ctx, filepath.Join(dir, "data"), from, newest, o)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return nil, fmt.Errorf("rehearsing a restore: %w", err)
	}
	return report, nil
}
