package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/sqlite"
)

// Parts are the stores of a data folder that a command needs. Damaged or missing stores must not stop
// commands that do not need them: those are the commands that repair the folder.
type Parts int

// The stores of a data folder, except the read models, which are opened on first use.
const (
	EventStore     Parts = 1 << iota // events.db
	ControlRecords                   // control.db
	NumberedLog                      // log.db and log/
	AllParts       = EventStore | ControlRecords | NumberedLog
)

// ErrNotOpened means that a needed store of a data folder cannot be opened.
var ErrNotOpened = errors.New("the data folder cannot be opened")

// unopened makes an error match ErrNotOpened without changing its text.
type unopened struct{ error }

func (e unopened) Unwrap() error        { return e.error }
func (e unopened) Is(target error) bool { return target == ErrNotOpened }

// notOpened marks why a folder could not be opened, unless ctx has ended.
func notOpened(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return unopened{err}
}

// wholeMarker is readMarker for opening a folder. It restores a lost marker if all stores agree.
func wholeMarker(ctx context.Context, dir string) (m marker, found bool, err error) {
	if err = checkFinished(dir); err == nil {
		m, found, err = readMarker(dir)
	}
	if err == nil && !found {
		if found, err = mendMarker(ctx, dir); found && err == nil {
			m, found, err = readMarker(dir)
		}
	}
	if err != nil && !errors.Is(err, syscall.ENOTDIR) { // for a path below a file, "no folder" is reported instead
		err = notOpened(ctx, err)
	}
	return m, found, err
}

// OpenFolder opens a data folder, and creates it if it is missing or empty. It refuses a folder with other
// content, and one that has lost its events. Several processes may have the same folder open.
func OpenFolder(ctx context.Context, dir string) (*Folder, error) {
	if err := prepareFolder(ctx, dir); err != nil {
		return nil, err
	}
	return openStores(ctx, dir, AllParts)
}

// OpenExistingFolder is OpenFolder, but does not create the folder.
func OpenExistingFolder(ctx context.Context, dir string) (*Folder, error) {
	return OpenParts(ctx, dir, AllParts)
}

// OpenParts is OpenExistingFolder for a caller that needs only some stores. It also opens the others if
// possible; otherwise they are nil, and Broken returns why.
func OpenParts(ctx context.Context, dir string, needed Parts) (*Folder, error) {
	_, found, err := wholeMarker(ctx, dir)
	if err == nil && !found {
		if err = checkEmpty(dir); err == nil {
			err = fmt.Errorf("%w %s: choose another one with --data, or fill it with `gakushoku serve` or `gakushoku events import`", ErrNoFolder, dir)
		}
	}
	if err != nil {
		return nil, err
	}
	return openStores(ctx, dir, needed)
}

// Broken returns which unneeded stores could not be opened, and why.
func (f *Folder) Broken() error { return errors.Join(f.broken...) }

func openStores(ctx context.Context, dir string, needed Parts) (*Folder, error) {
	if needed == AllParts {
		if err := checkNotLost(dir, "events.db", "control.db", "log.db"); err != nil {
			return nil, err
		}
	}
	f := &Folder{Dir: dir, Tables: sqlite.OpenTables(filepath.Join(dir, "readmodels")), subjects: &subjectKeys{path: subjectsFile(dir)}}
	err := f.open(ctx, needed)
	if err == nil {
		f.build()
		err = f.prepare(ctx)
	}
	if err != nil {
		return nil, notOpened(ctx, errors.Join(err, f.Close()))
	}
	return f, nil
}

// open opens the stores.
func (f *Folder) open(ctx context.Context, needed Parts) error {
	for _, part := range []struct {
		is   Parts
		open func() error
	}{
		{EventStore, func() (err error) { f.Events, err = openEvents(ctx, f.Dir); return err }},
		{ControlRecords, func() (err error) {
			f.Control, err = sqlite.OpenControl(ctx, filepath.Join(f.Dir, "control.db"))
			return err
		}},
		{NumberedLog, func() error { return f.openLog(ctx) }},
	} {
		err := part.open()
		if err != nil && (needed&part.is != 0 || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			f.broken = append(f.broken, err)
		}
	}
	return nil
}

func openEvents(ctx context.Context, dir string) (*sqlite.Events, error) {
	events, err := sqlite.OpenExistingEvents(ctx, eventsFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		err = eventsLost(dir)
	}
	return events, err
}

// openLog opens the ledger and the objects of the log, or neither.
func (f *Folder) openLog(ctx context.Context) error {
	blobs, err := files.OpenBlobs(logFolder(f.Dir))
	if err != nil {
		return err
	}
	ledger, err := sqlite.OpenLedger(ctx, ledgerFile(f.Dir))
	if err != nil {
		return err
	}
	f.Ledger, f.Blobs = ledger, blobs
	return nil
}

// build builds the engine and the installation over the open stores.
func (f *Folder) build() {
	f.Ports.Tables, f.Ports.Subjects = f.Tables, f.subjects
	if f.Control != nil {
		f.Ports.Control, f.Ports.States = f.Control, f.Control
		f.Pointers = &projection.CachedPointers{Source: f.Control, TTL: pointerTTL, Now: time.Now}
	}
	if f.Ledger != nil {
		f.Ports.Ledger, f.Ports.Blobs = f.Ledger, f.Blobs
		f.Ports.Seals = &seal.Check{Ledger: f.Ledger, Places: []eventlog.BlobReader{f.Blobs}, Trust: trusted(f.Dir), Expected: f.expected}
	}
	if f.Events != nil {
		f.Keep(f.Events)
	}
	f.Installation = installation(f)
}

// prepare checks the open stores and sets the projections up.
func (f *Folder) prepare(ctx context.Context) (err error) {
	if f.opened, err = os.Stat(f.Dir); err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	role, err := ReadRole(f.Dir)
	if err != nil {
		return err
	}
	f.role.Store(&role)
	if f.Broken() != nil {
		return nil
	}
	f.parts = partsOf(f)
	if err := f.belong(ctx); err != nil {
		return err
	}
	f.Events.Guard(f.mayAppend)
	for _, name := range canteen.Projections().Names() {
		d, _ := canteen.Projections().Newest(name)
		if err := projection.Ensure(ctx, f.Control, f.Tables, d); err != nil {
			return err
		}
	}
	return nil
}
