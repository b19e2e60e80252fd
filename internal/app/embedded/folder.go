// Package embedded runs the whole system in one process on one data folder of SQLite databases and files.
package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/sqlite"
)

// markerFile marks a folder as a data folder of this system.
const markerFile = "gakushoku.json"

// folderFormat is the version of the folder's layout that this program writes.
const folderFormat = 1

// pointerTTL is how long an embedded reader caches the version pointer.
const pointerTTL = 500 * time.Millisecond

// projectorName is the reader whose checkpoint records how far the embedded projector is.
const projectorName = "projector"

// Folder is an opened data folder: the embedded system without its server.
type Folder struct {
	Dir     string
	Events  *sqlite.Events
	Tables  *sqlite.Tables
	Control *sqlite.Control
	Ledger  *sqlite.Ledger // of the numbered log
	Blobs   *files.Blobs   // its objects

	wiring.Ports           // the same stores as ports, and the engine over them
	*operator.Installation // the folder as operators use it

	subjects *subjectKeys

	opened fs.FileInfo // the folder itself
	parts  []part      // set once all are open
	broken []error     // why stores that were not needed are nil
	alien  error       // eventstore.ErrOtherStore if stores belong to another folder

	lastSegment lastSegment // see stored

	role   atomic.Pointer[Role] // as it was when the folder was opened, or became since
	taking atomic.Bool          // whether what follows a place is appending
}

// lastSegment caches what was read from the last segment of a log.
type lastSegment struct {
	sync.Mutex
	key    string
	number uint64
}

type marker struct {
	Format int    `json:"gakushokuFormat"`
	Folder string `json:"folder,omitempty"` // the folder's id, which every store also has
}

// LogFile returns the path of the log of a data folder's server.
func LogFile(dir string) string { return filepath.Join(dir, "logs", "gakushoku.log") }

// SpanFile returns the path where a data folder's server keeps the spans of slow and failed operations.
func SpanFile(dir string) string { return filepath.Join(dir, "logs", "spans.log") }

// Errors about missing data. Commands that only read must not create it.
var (
	// ErrNoFolder means that there is no data folder, or an empty one.
	ErrNoFolder = errors.New("there is no data folder")
	// ErrEventsLost means that a folder was in use but has no event store. If a new one were created,
	// everything else would look wrong, or a repair would empty it.
	ErrEventsLost = errors.New("the event store is missing")
)

func eventsFile(dir string) string { return filepath.Join(dir, "events.db") }

// eventsLost says what to do about a folder without an event store.
func eventsLost(dir string) error {
	return fmt.Errorf("%w: %s is not there or empty, although the folder has been in use: put the file back, or if it is gone, make a new folder of what is in the log with `gakushoku events replay --until 2100-01-01T00:00:00Z --into NEW` (runbook lost-events.md)", ErrEventsLost, eventsFile(dir))
}

// prepareFolder lays out a new folder, and refuses a folder that is not a data folder. It can be repeated
// after a full disk or a crash. It writes the marker last, after the event store exists.
func prepareFolder(ctx context.Context, dir string) error {
	_, found, err := wholeMarker(ctx, dir)
	if err == nil && !found {
		err = checkEmpty(dir)
	}
	if err != nil {
		return err
	}
	if !found {
		return layOut(ctx, dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "readmodels"), 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	return nil
}

// readMarker reads the marker; false if there is none.
func readMarker(dir string) (m marker, found bool, err error) {
	path := filepath.Join(dir, markerFile)
	raw, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("opening the data folder: %w", err)
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.Format < 1 {
		return m, false, fmt.Errorf("%s is damaged: restore it, or choose another --data folder", path)
	}
	if m.Format > folderFormat {
		return m, false, fmt.Errorf("%s was written by a newer gakushoku (format %d, this one knows %d): use that one", dir, m.Format, folderFormat)
	}
	about, err := os.Stat(path)
	if err != nil {
		return m, false, fmt.Errorf("opening the data folder: %w", err)
	}
	return m, true, checkOwner(dir, about, os.Geteuid())
}

// maxSmallFile bounds the size of the files that describe a folder; each has one line.
const maxSmallFile = 64 << 10

// readSmall reads a file that describes a folder. It reads at most maxSmallFile, whatever the file is.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file: restore it", path)
	}
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxSmallFile+1))
	if err == nil && len(raw) > maxSmallFile {
		err = fmt.Errorf("%s is larger than %d bytes, so it is damaged: restore it", path, maxSmallFile)
	}
	return raw, errors.Join(err, file.Close())
}

// checkEmpty refuses a folder that holds more than an interrupted prepareFolder leaves behind.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	var others []string
	events := false
	for _, e := range entries {
		events = events || e.Name() == "events.db"
		if e.Name() != "readmodels" && !strings.HasPrefix(e.Name(), markerFile) && !strings.HasPrefix(e.Name(), "events.db") {
			others = append(others, e.Name())
		}
	}
	switch {
	case len(others) == 0:
		return nil
	case !events && (slices.Contains(others, "control.db") || slices.Contains(others, "log.db")):
		return eventsLost(dir)
	case events && (slices.Contains(others, "control.db") || slices.Contains(others, "log.db")):
		return fmt.Errorf("%s is missing, although %s has been in use: put it back, from a backup of this folder", filepath.Join(dir, markerFile), dir)
	}
	return fmt.Errorf("%s is not a gakushoku data folder and not empty: choose another --data folder", dir)
}

// writeMarker marks a folder as a data folder. The marker appears in one step.
func writeMarker(dir, id string) error {
	encoded, err := json.Marshal(marker{folderFormat, id})
	if err == nil {
		err = writeWhole(dir, markerFile, append(encoded, '\n'))
	}
	if err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	return nil
}

// writeWhole writes a file of a folder completely or not at all.
func writeWhole(dir, name string, content []byte) error {
	file, err := os.CreateTemp(dir, name+".new-")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	return err
}

// Close closes all files.
func (f *Folder) Close() error {
	errs := []error{f.Tables.Close(), f.subjects.Close()}
	if f.Events != nil {
		errs = append(errs, f.Events.Close())
	}
	if f.Control != nil {
		errs = append(errs, f.Control.Close())
	}
	if f.Ledger != nil {
		errs = append(errs, f.Ledger.Close())
	}
	return errors.Join(errs...)
}

// projectorTimeout is how long the projector may take for one batch. A batch that takes longer is retried
// with fewer events. A rebuild waits as long for batches that do not know its version yet.
const projectorTimeout = 2 * time.Second

// lagBound is the time within which the embedded projector normally applies an event.
const lagBound = 2 * time.Second

// Transfer returns what events are imported into and exported from.
func (f *Folder) Transfer() *retire.Transfer {
	return &retire.Transfer{Loader: f.Ports.Events, Kept: f.Events}
}

// Follower returns the follower that brings the read models up to date as events arrive.
func (f *Folder) Follower() *projection.Follower {
	return &projection.Follower{
		Name: projectorName, Feed: f.Events, Appended: f.Events.Appended, Checkpoints: f.Control,
		Projector: f.Projector(), Batch: 500, Poll: 200 * time.Millisecond, Timeout: projectorTimeout,
	}
}
