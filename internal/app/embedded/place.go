package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/sqlite"
)

// placed is one part of a data folder that must stay where it was when it was opened.
type placed struct {
	name  string
	check func() error
}

// Events, control records and log belong together: when one is not at its path any more somebody
// is changing the folder, and what a server takes then may be lost, or may not fit the rest.
func (f *Folder) eventsPlaced() placed  { return placed{"events.db", f.Events.InPlace} }
func (f *Folder) controlPlaced() placed { return placed{"control.db", f.Control.InPlace} }
func (f *Folder) logPlaced() []placed {
	return []placed{{"log.db", f.Ledger.InPlace}, {"log/", f.Blobs.InPlace}}
}

// InPlace fails with sqlite.ErrReplaced or files.ErrReplaced when the path of a part leads to
// something else than what was opened. Read models are not among the parts: they are made of the
// events, and rebuilds replace them.
func (f *Folder) InPlace() error {
	var errs []error
	for _, p := range append(f.logPlaced(), f.eventsPlaced(), f.controlPlaced()) {
		errs = append(errs, p.check())
	}
	return fault.Unavailable(errors.Join(errs...))
}

// othersInPlace is InPlace for each commit of events: it costs three calls of stat.
func (f *Folder) othersInPlace() error {
	for _, check := range []func() error{f.Control.Glance, f.Ledger.Glance, f.Blobs.InPlace} {
		if err := check(); err != nil {
			return fault.Unavailable(err)
		}
	}
	return nil
}

// isReplaced reports whether a part was found not to be at its path.
func isReplaced(err error) bool {
	return errors.Is(err, sqlite.ErrReplaced) || errors.Is(err, files.ErrReplaced)
}

// whilePlaced is a probe that fails when a part is not at its path, and says which.
func whilePlaced(p health.Probe, parts ...placed) health.Probe {
	return health.Probe{Name: p.Name, Check: func(ctx context.Context) (string, error) {
		for _, part := range parts {
			if err := part.check(); isReplaced(err) {
				return "", errors.Join(health.Problemf("%s was removed or replaced while it is served, so no more orders are taken: stop the server, see the runbook lost-events.md", part.name), err)
			}
		}
		return p.Check(ctx)
	}}
}

// placeEvery is how often a server looks whether its files are in place. Commands look by
// themselves; this is for a server that gets none.
const placeEvery = 300 * time.Millisecond

// watchPlace tells in the log, once, that a part is not at its path any more.
func (f *Folder) watchPlace(ctx context.Context) {
	told := false
	for wait.For(ctx, placeEvery) == nil {
		err := errors.Join(f.InPlace(), f.tablesInPlace(ctx))
		if err != nil && !told {
			observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.Infra)).Str(observe.FieldResult, observe.ResultNG).Msg("store:replaced")
		}
		told = err != nil
	}
}

// tablesInPlace fails when the file of a table version was removed or replaced that the pointer
// lists. A version that it does not list was dropped by a cleanup.
func (f *Folder) tablesInPlace(ctx context.Context) error {
	var errs []error
	for t, replaced := range f.Tables.Replaced() {
		pointer, err := f.Control.Pointer(ctx, t.Projection)
		listed := slices.ContainsFunc(pointer.Versions, func(v projection.Version) bool { return v.Number == t.Version })
		if err != nil || listed {
			errs = append(errs, replaced)
		}
	}
	return errors.Join(errs...)
}

// servingFile tells which files the server of a folder looks at.
const servingFile = "serving.json"

// served are files by name, each by its device and number there.
type served map[string]string

func (f *Folder) served() served {
	return served{"events.db": fileID(f.Events.File()), "control.db": fileID(f.Control.File()), "log.db": fileID(f.Ledger.File())}
}

// servedOps is beside the files: where the server of a folder has what operators look at.
const servedOps = "opsAddr"

// OpsURL is where the server that has this folder shows operators how it is; "" when none does.
func OpsURL(dir string) string {
	raw, err := readSmall(filepath.Join(dir, servingFile))
	var told served
	if err != nil || json.Unmarshal(raw, &told) != nil || told[servedOps] == "" || !isServed(dir) {
		return ""
	}
	return "http://" + told[servedOps]
}

// tellServed writes down the files that this server looks at, and where operators look at it.
func (f *Folder) tellServed(ops net.Listener) error {
	told := f.served()
	if ops != nil {
		told[servedOps] = ops.Addr().String()
	}
	encoded, err := json.Marshal(told)
	if err == nil {
		err = writeWhole(f.Dir, servingFile, append(encoded, '\n'))
	}
	if err != nil {
		return fmt.Errorf("telling which files are served: %w", err)
	}
	return nil
}

// CheckServed fails when a server has the folder and looks at other files than these: what is
// written to them, such as the switch of a rebuild, that server would not see.
func (f *Folder) CheckServed() error {
	if !isServed(f.Dir) {
		return nil
	}
	raw, err := readSmall(filepath.Join(f.Dir, servingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has only just begun
	}
	var theirs served
	if err == nil {
		err = json.Unmarshal(raw, &theirs)
	}
	if err != nil {
		return fmt.Errorf("asking which files are served: %w", err)
	}
	for name, mine := range f.served() {
		if theirs[name] != "" && mine != "" && theirs[name] != mine {
			return fmt.Errorf("%s: %w: the server still has the file that was there before", filepath.Join(f.Dir, name), sqlite.ErrReplaced)
		}
	}
	return nil
}

// checkNotLost fails when a file is missing that the server of this folder has open: a new one in
// its place would be seen by nobody but us.
func checkNotLost(dir string, names ...string) error {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) && isServed(dir) {
			return fmt.Errorf("%s is missing: %w", filepath.Join(dir, name), sqlite.ErrReplaced)
		}
	}
	return nil
}

// whilePlacedWriter writes only while a folder is at its path: a log file that is opened late
// would make the folder anew.
type whilePlacedWriter struct {
	dir    string
	opened fs.FileInfo
	write  func([]byte) (int, error)
}

// Write is io.Writer.
func (w whilePlacedWriter) Write(p []byte) (int, error) {
	if now, err := os.Stat(w.dir); err != nil || !os.SameFile(now, w.opened) {
		return 0, fmt.Errorf("%s: %w", w.dir, files.ErrReplaced)
	}
	return w.write(p)
}
