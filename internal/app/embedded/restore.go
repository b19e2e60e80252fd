package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/sqlite"
)

// unfinishedFile marks a folder that a restore is filling, or has not finished.
const unfinishedFile = "restoring.json"

// ErrUnfinished means that a restore into a folder is under way or was cut off.
var ErrUnfinished = errors.New("a restore into this folder has not finished")

// ErrNotEmpty means that a restore cannot fill a folder.
var ErrNotEmpty = errors.New("the folder is not empty, and a restore never changes what is there: choose another one")

// checkFinished refuses a folder that a restore has not finished.
func checkFinished(dir string) error {
	_, err := os.Stat(filepath.Join(dir, unfinishedFile))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // opening it says what is wrong
		return nil
	case err == nil:
		err = fmt.Errorf("%s: %w: wait for it, or repeat `gakushoku restore`, which starts anew", dir, ErrUnfinished)
	}
	return err
}

// RestoreOptions say how to restore.
type RestoreOptions struct {
	Point    backup.Point
	Copying  func(backup.Progress)  // may be nil
	Folding  func(rebuild.Progress) // may be nil
	Checking func(name string)      // the step that begins; may be nil
}

// RestoreReport is what a restore made.
type RestoreReport struct {
	backup.Restored
	Dir     string                 `json:"dir"`
	Rows    map[string]int64       `json:"rows"`   // by projection, all of them verified
	Parked  map[string]int         `json:"parked"` // streams of a projection that its fold refuses, as before
	Erased  int                    `json:"erased"` // subjects whose keys the log's tombstones have destroyed again
	Checked *logcheck.EventsReport `json:"checked"`
	Ms      map[string]int64       `json:"ms"` // of each step
	TotalMs int64                  `json:"totalMs"`
}

// Restore fills an empty folder, or one that does not exist, from a backup: log, event store, device keys, keys of
// subjects, and read models, all of which it verifies. Until it has finished, the folder is refused by everything
// else; after a crash it starts anew.
func Restore(ctx context.Context, dir string, place eventlog.BlobReader, c *backup.Catalogue, o RestoreOptions) (*RestoreReport, error) {
	unlock, err := beginRestore(dir, c)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r := &restoring{RestoreOptions: o, place: place, from: c, report: &RestoreReport{Dir: dir, Ms: map[string]int64{}, Rows: map[string]int64{}, Parked: map[string]int{}}}
	began := time.Now()
	if err := r.run(ctx, dir); err != nil {
		return nil, fmt.Errorf("restoring into %s, which is left unfinished: %w", dir, err)
	}
	r.report.TotalMs = time.Since(began).Milliseconds()
	if err := os.Remove(filepath.Join(dir, unfinishedFile)); err != nil {
		return nil, fmt.Errorf("finishing the restore: %w", err)
	}
	return r.report, nil
}

// CheckRestore fails with ErrNotEmpty if Restore would refuse the folder.
func CheckRestore(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restoring into %s: %w", dir, err)
	}
	if len(entries) > 0 && checkFinished(dir) == nil {
		return fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	return nil
}

// beginRestore marks the folder, and removes what a restore that was cut off has left.
func beginRestore(dir string, c *backup.Catalogue) (unlock func(), err error) {
	if err := CheckRestore(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	mark := filepath.Join(dir, unfinishedFile)
	if checkFinished(dir) == nil {
		if err := writeWhole(dir, unfinishedFile, []byte(`{"backup":"`+c.ID+`"}`+"\n")); err != nil {
			return nil, fmt.Errorf("marking the folder as unfinished: %w", err)
		}
	}
	if unlock, err = lockDir(mark); errors.Is(err, errLocked) {
		err = fmt.Errorf("%s: another process is restoring into it", dir)
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if err == nil && e.Name() != unfinishedFile {
			err = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("emptying %s: %w", dir, err)
	}
	return unlock, nil
}

// restoring is one restore.
type restoring struct {
	RestoreOptions
	place  eventlog.BlobReader
	from   *backup.Catalogue
	report *RestoreReport
}

func (r *restoring) run(ctx context.Context, dir string) error {
	if err := layOut(ctx, dir); err != nil {
		return err
	}
	folder, err := openStores(ctx, dir, AllParts)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context, *Folder) error
	}{{"copy", r.fill}, {"erasures", r.honour}, {"read models", r.rebuild}, {"verify", r.verify}} {
		began := time.Now()
		if r.Checking != nil {
			r.Checking(step.name)
		}
		if err == nil {
			err = step.do(ctx, folder)
		}
		r.report.Ms[step.name] = time.Since(began).Milliseconds()
	}
	return errors.Join(err, folder.Close())
}

// layOut makes what every data folder has, the marker last.
func layOut(ctx context.Context, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "readmodels"), 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	events, err := sqlite.OpenEvents(ctx, eventsFile(dir))
	if err == nil {
		err = events.Close()
	}
	if err == nil {
		err = writeMarker(dir, "")
	}
	return err
}

// filler passes events on to the event store.
type filler func(context.Context, []event.Event) error

// Load implements backup.Loader.
func (f filler) Load(ctx context.Context, events []event.Event) error { return f(ctx, events) }

// fill brings back everything but the read models.
func (r *restoring) fill(ctx context.Context, f *Folder) error {
	var done *backup.Restored
	err := f.Events.Fill(ctx, func(load func(context.Context, []event.Event) error) (err error) {
		done, err = backup.Restore(ctx, r.place, r.from, r.Point, &backup.Target{
			Blobs: f.Blobs, Ledger: f.Ledger, Archiver: f.Archiver(), Store: filler(load), Credentials: f.Control, SubjectKeys: f.subjects,
			Settings: func(_ context.Context, kept map[string]string) error {
				if kept[publicKeys] == "" {
					return nil
				}
				return writeWhole(f.Dir, filepath.Base(AuditPublicFile(f.Dir)), []byte(kept[publicKeys]))
			},
			Progress: r.Copying,
		})
		return err
	})
	if err != nil {
		return err
	}
	r.report.Restored = *done
	if done.Last.Number == 0 {
		return nil
	}
	return archivePosition{f}.SetArchived(ctx, done.Last)
}

// honour destroys the keys of subjects whose tombstones are in the log only.
func (r *restoring) honour(ctx context.Context, f *Folder) (err error) {
	eraser := subject.Eraser{Keys: f.subjects, Streams: f.Events, Now: time.Now, NewID: observe.NewID}
	r.report.Erased, err = eraser.Honour(ctx)
	return err
}

// rebuild makes the read models and verifies each row. Streams that a fold refuses were parked before, too.
func (r *restoring) rebuild(ctx context.Context, f *Folder) error {
	f.Engine.Settings.LagBound, f.Engine.Settings.PointerTTL = 0, 0 // no other process uses the folder
	for _, name := range f.Models.Names() {
		run, err := f.Rebuild(ctx, rebuild.Request{Projection: name, AllowParked: math.MaxInt32}, operator.RebuildOptions{Progress: r.Folding})
		if err == nil {
			_, err = f.Engine.Clean(ctx, name, false)
		}
		if err != nil {
			return fmt.Errorf("making the read model %s: %w", name, err)
		}
		r.report.Rows[name], r.report.Parked[name] = run.Replay.Rows, run.Replay.Parked
	}
	return f.skipAhead(ctx)
}

// verify compares the event store with the whole log.
func (r *restoring) verify(ctx context.Context, f *Folder) (err error) {
	if r.report.Checked, err = f.LogCheck.VerifyEvents(ctx, true); err != nil {
		return err
	}
	if !r.report.Checked.Sound {
		err = fmt.Errorf("what was restored is not sound: %d problems, such as %+v", r.report.Checked.Total(), r.report.Checked.Problems)
	}
	return err
}
