package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/memory"
	"gakushoku/internal/store/sqlite"
)

// How a rebuild is done on this kind of machine. The parts are small beside what a laptop has:
// two workers, each with the rows of a part in memory.
const (
	partEvents    = 1_000_000
	partBytes     = 128 << 20
	catchUpBudget = time.Minute
)

// RebuildOptions say how a run tells of itself, and who decides about its switch.
type RebuildOptions struct {
	Progress func(rebuild.Progress)                                       // may be nil; called by several goroutines
	Approve  func(context.Context, rebuild.Run) (rebuild.Decision, error) // nil: the answer comes from another process
}

// Engine is the steps of a rebuild on this folder.
func (f *Folder) Engine(progress func(rebuild.Progress)) *rebuild.Engine {
	return &rebuild.Engine{
		Projections: canteen.Projections(), Pointers: f.Control, Tables: f.Tables, Streams: f.Events,
		Log: f.Log(), Blobs: f.Blobs, Projector: f.Projector(), Runs: runs{f.Dir}, Now: time.Now,
		Archive: f.Archive, Progress: progress,
		Settings: rebuild.Settings{
			PointerTTL: pointerTTL, ProjectorTimeout: projectorTimeout, LagBound: lagBound, PartEvents: partEvents, PartBytes: partBytes,
			VerifyParts: 1, Workers: runtime.GOMAXPROCS(0), CatchUpBudget: catchUpBudget,
		},
	}
}

// Rebuild runs a request from its beginning to its end, while a server may go on writing the
// folder. One run of a projection at a time: a second one is refused (rebuild.ErrRefused).
func (f *Folder) Rebuild(ctx context.Context, request rebuild.Request, o RebuildOptions) (rebuild.Run, error) {
	runID := observe.NewID()
	return f.drive(ctx, request.Projection, runID, o, func(ctx context.Context, d *rebuild.Driver) (rebuild.Run, error) {
		return d.Run(ctx, runID, request)
	})
}

// ResumeRebuild goes on with a run that was cut off.
func (f *Folder) ResumeRebuild(ctx context.Context, projection, runID string, o RebuildOptions) (rebuild.Run, error) {
	return f.drive(ctx, projection, runID, o, func(ctx context.Context, d *rebuild.Driver) (rebuild.Run, error) {
		return d.Resume(ctx, projection, runID)
	})
}

// drive runs a run under two locks: its own, which tells that somebody works on it, and the
// projection's, which keeps others off. That one is given back when the run only soaks: others
// do no harm then, as on AWS.
func (f *Folder) drive(ctx context.Context, name, runID string, o RebuildOptions, run func(context.Context, *rebuild.Driver) (rebuild.Run, error)) (rebuild.Run, error) {
	if err := f.Engine(nil).Known(name); err != nil {
		return rebuild.Run{}, err
	}
	if err := f.CheckChanges(ctx); err != nil {
		return rebuild.Run{}, err
	}
	unlock, err := lockRuns(f.Dir, name)
	if err != nil {
		return rebuild.Run{}, err
	}
	defer unlock()
	over, err := beginRun(ctx, f.Dir, name, runID)
	if err != nil {
		return rebuild.Run{}, err
	}
	defer over()
	result, err := run(ctx, &rebuild.Driver{Engine: f.Engine(o.Progress), Workers: runtime.GOMAXPROCS(0), Alone: f.alone, Approve: o.Approve, Soaking: unlock})
	f.Pointers.Forget(name)
	return result, err
}

// alone reports that no server has the folder: whoever begins to serve it now reads the
// pointers anew.
func (f *Folder) alone() bool { return !isServed(f.Dir) }

// runs tells whether a run is going on: its process holds a lock, which ends with it however
// that ends.
type runs struct{ dir string }

// Running is rebuild.Runs.
func (r runs) Running(_ context.Context, runID string) (bool, error) {
	found, err := filepath.Glob(filepath.Join(logFolder(r.dir), "runs", "*", runID, runLock))
	if err != nil || len(found) == 0 {
		return false, err
	}
	file, err := os.Open(found[0])
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it has ended meanwhile
	}
	if err != nil {
		return false, fmt.Errorf("asking after run %s: %w", runID, err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	return !locks || tryLock(file) != nil, nil
}

// underWay are the runs of a projection that have not come to their end.
func (f *Folder) underWay(ctx context.Context, name string) ([]rebuild.UnderWay, error) {
	pointer, err := f.Control.Pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	return f.Engine(nil).RunsOf(ctx, pointer)
}

// Rollback shows readers the previous version of a projection again.
func (f *Folder) Rollback(ctx context.Context, name string, force bool) (rebuild.RolledBack, error) {
	if err := f.Engine(nil).Known(name); err != nil {
		return rebuild.RolledBack{}, err
	}
	return f.Engine(nil).GoBack(ctx, name, force)
}

// History are the latest runs of a projection, the newest first.
func (f *Folder) History(ctx context.Context, name string, limit int) ([]rebuild.Past, error) {
	if err := f.Engine(nil).Known(name); err != nil {
		return nil, err
	}
	past, err := f.Engine(nil).History(ctx, name, limit)
	for i := range past {
		if err == nil && !past[i].Ended {
			past[i].AtWork, err = runs{f.Dir}.Running(ctx, past[i].Run.ID)
		}
	}
	return past, err
}

// Approval is the question with which a run of a projection waits.
func (f *Folder) Approval(ctx context.Context, name string) (rebuild.Approval, error) {
	if err := f.Engine(nil).Known(name); err != nil {
		return rebuild.Approval{}, err
	}
	runs, err := f.underWay(ctx, name)
	if err != nil {
		return rebuild.Approval{}, err
	}
	return f.Engine(nil).Question(ctx, name, runs)
}

// Decide answers the question of a run.
func (f *Folder) Decide(ctx context.Context, a rebuild.Approval, d rebuild.Decision) error {
	return f.Engine(nil).Decide(ctx, a.Run.Projection, a.Run.ID, d)
}

// Abandon takes away what runs that were cut off have left behind. One that is still going on
// is refused: it ends with its process.
func (f *Folder) Abandon(ctx context.Context, name string) ([]rebuild.Run, error) {
	if err := f.Engine(nil).Known(name); err != nil {
		return nil, err
	}
	unlock, err := lockRuns(f.Dir, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	left, err := f.underWay(ctx, name)
	if err != nil {
		return nil, err
	}
	for i := range left {
		if left[i].AtWork {
			return nil, fmt.Errorf("%w: run %s of %s has switched readers to %s, and only soaks: \"projection cleanup %s\" drops the old version now, which ends it; Ctrl-C where it runs keeps the old version",
				rebuild.ErrRefused, left[i].ID, name, left[i].Table(), name)
		}
	}
	return f.Engine(nil).AbandonAll(ctx, left, "abandoned by the operator")
}

// EachEvent calls do with every event of the log, in its order. The event is do's until it
// returns.
func (f *Folder) EachEvent(ctx context.Context, do func(*event.Event) error) error {
	if err := f.Archive(ctx); err != nil {
		return err
	}
	return eachEvent(ctx, f.Log(), do)
}

func eachEvent(ctx context.Context, log *eventlog.Reader, do func(*event.Event) error) error {
	head, err := log.WholeHead(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	return log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error { return do(e) })
}

// HasLog reports whether a data folder has segments of a log, whatever became of the rest.
func HasLog(dir string) bool {
	found, err := filepath.Glob(filepath.Join(logFolder(dir), "segments", "*"))
	return err == nil && len(found) > 0
}

// EachArchived calls do with every event of the log in a data folder, in its order, and needs
// nothing else of the folder: it is for one that has lost its event store. The ledger may be lost
// or damaged too, as long as the manifests lie beside the segments.
func EachArchived(ctx context.Context, dir string, do func(*event.Event) error) (err error) {
	if _, err := os.Stat(logFolder(dir)); err != nil {
		return fmt.Errorf("looking for a log: %w", err)
	}
	blobs, err := files.OpenBlobs(logFolder(dir))
	if err != nil {
		return err
	}
	manifests := &logcheck.Log{Ledger: memory.NewLedger(), Blobs: blobs}
	restored, err := manifests.RestoreManifests(ctx)
	switch {
	case err != nil:
		return err
	case !restored.Sound:
		return fmt.Errorf("the log is not whole: %s %s", restored.Problems[0].Key, restored.Problems[0].Detail)
	}
	log := &eventlog.Reader{Ledger: manifests.Ledger, Blobs: blobs}
	if ledger, err := sqlite.OpenLedger(ctx, ledgerFile(dir)); err == nil {
		defer func() { err = errors.Join(err, ledger.Close()) }()
		// An archiver that died between its commit and the manifest has left a segment that only
		// the ledger knows.
		head, err := ledger.Head(ctx)
		if err == nil && head.Number > restored.After.Number {
			log.Ledger = ledger
		}
	}
	if head, err := log.Head(ctx); err != nil || head.Number == 0 && HasLog(dir) {
		return errors.Join(fmt.Errorf("%w: neither control records nor manifests say what is in the segments", eventlog.ErrLedgerBehind), err)
	}
	if err := (&logcheck.Log{Ledger: log.Ledger, Blobs: blobs}).NothingLeftOut(ctx); err != nil {
		return err
	}
	return eachEvent(ctx, log, do)
}

// CleanUp drops the previous and the scratch versions of a projection.
func (f *Folder) CleanUp(ctx context.Context, name string, force bool) ([]int, error) {
	if err := f.Engine(nil).Known(name); err != nil {
		return nil, err
	}
	unlock, err := lockRuns(f.Dir, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return f.Engine(nil).Clean(ctx, name, force)
}

// lockRuns keeps other runs of a projection off.
func lockRuns(dir, projection string) (unlock func(), err error) {
	runs := filepath.Join(logFolder(dir), "runs", projection)
	if err := os.MkdirAll(runs, 0o700); err != nil {
		return nil, fmt.Errorf("locking the data folder for a rebuild: %w", err)
	}
	unlock, err = lockDir(runs)
	if errors.Is(err, errLocked) {
		err = fmt.Errorf("%w: another rebuild of %s is going on in %s: wait for it, or stop it first", rebuild.ErrRefused, projection, dir)
	}
	return unlock, err
}

// runLock is the file, among those of a run, that its process holds locked.
const runLock = "lock"

// beginRun says that this process works on a run. Of a run that has left nothing else, nothing
// is left afterwards.
func beginRun(ctx context.Context, dir, projection, runID string) (over func(), err error) {
	folder := filepath.Join(logFolder(dir), "runs", projection, runID)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("locking run %s: %w", runID, err)
	}
	path := filepath.Join(folder, runLock)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking run %s: %w", runID, err)
	}
	// Who asks after the run has the lock for a moment.
	if err := patiently(ctx, func() error { return tryLock(file) }); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: run %s of %s is going on in another process", rebuild.ErrRefused, runID, projection), file.Close())
	}
	return func() {
		file.Close()      //nolint:errcheck // nothing was written
		os.Remove(path)   //nolint:errcheck // it would only say that nobody works on the run
		os.Remove(folder) //nolint:errcheck // it stays when the run has left something
	}, nil
}
