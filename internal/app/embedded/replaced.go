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

// part is one of the stores of a data folder that belong together. If one is no longer at its path, the
// folder is being changed: what a server accepts then may be lost, or may not fit the other stores. Read
// models are not included, since they are derived from the events, and rebuilds replace them.
type part struct {
	name    string
	inPlace func() error       // fails if the path leads to a file other than the opened one
	glance  func() error       // a cheaper inPlace; nil for the events, whose commits check this themselves
	file    func() fs.FileInfo // nil for a folder
	// belong returns the id of the folder that the store belongs to. A store without one is given id,
	// unless that is "".
	belong func(ctx context.Context, id string) (string, error)
}

// Names of the stores.
const (
	eventsPart  = "events.db"
	controlPart = "control.db"
	ledgerPart  = "log.db"
	blobsPart   = "log/"
)

// partsOf returns the stores of a folder, all of which are open.
func partsOf(f *Folder) []part {
	return []part{
		{eventsPart, f.Events.InPlace, nil, f.Events.File, f.Events.Belong},
		{controlPart, f.Control.InPlace, f.Control.Glance, f.Control.File, f.Control.Belong},
		{ledgerPart, f.Ledger.InPlace, f.Ledger.Glance, f.Ledger.File, f.Ledger.Belong},
		{blobsPart, f.Blobs.InPlace, f.Blobs.InPlace, nil, f.logBelongs},
	}
}

// InPlace fails with sqlite.ErrReplaced or files.ErrReplaced if the path of a store leads to a file other
// than the opened one.
func (f *Folder) InPlace() error {
	var errs []error
	for _, p := range f.parts {
		errs = append(errs, p.inPlace())
	}
	return fault.Unavailable(errors.Join(errs...))
}

// othersInPlace is InPlace for each commit of events. It costs three stat calls.
func (f *Folder) othersInPlace() error {
	for _, p := range f.parts {
		if p.glance == nil {
			continue
		}
		if err := p.glance(); err != nil {
			return fault.Unavailable(err)
		}
	}
	return nil
}

// isReplaced reports whether an error means that a store was not at its path.
func isReplaced(err error) bool {
	return errors.Is(err, sqlite.ErrReplaced) || errors.Is(err, files.ErrReplaced)
}

// whilePlaced wraps a probe. It fails if one of the named stores is not at its path, and says which.
func (f *Folder) whilePlaced(p health.Probe, names ...string) health.Probe {
	return health.Probe{Name: p.Name, Check: func(ctx context.Context) (string, error) {
		for _, part := range f.parts {
			if !slices.Contains(names, part.name) {
				continue
			}
			if err := part.inPlace(); isReplaced(err) {
				return "", errors.Join(health.Problemf("%s was removed or replaced while it is served, so no more orders are taken: stop the server, see the runbook lost-events.md", part.name), err)
			}
		}
		return p.Check(ctx)
	}}
}

// placeEvery is the interval in which a server checks that its files are in place. Commands check this
// themselves; this is for a server that receives none.
const placeEvery = 300 * time.Millisecond

// watchPlace logs once that a store is no longer at its path.
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

// tablesInPlace fails if the file of a table version that the pointer lists was removed or replaced. A
// cleanup has dropped the versions that it does not list.
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

// servingFile lists the files that the server of a folder has open.
const servingFile = "serving.json"

// served maps the names of files to their devices and inodes.
type served map[string]string

func (f *Folder) served() served {
	files := served{}
	for _, p := range f.parts {
		if p.file != nil {
			files[p.name] = fileID(p.file())
		}
	}
	return files
}

// servedOps is the key of the address for operators, among the files.
const servedOps = "opsAddr"

// OpsURL returns the address for operators of the server that has this folder; "" if there is none.
func OpsURL(dir string) string {
	raw, err := readSmall(filepath.Join(dir, servingFile))
	var told served
	if err != nil || json.Unmarshal(raw, &told) != nil || told[servedOps] == "" || !isServed(dir) {
		return ""
	}
	return "http://" + told[servedOps]
}

// tellServed records the files that this server has open, and its address for operators.
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

// CheckServed fails if a server has the folder but has opened other files than these: it would not see what
// is written to them, such as the switch of a rebuild.
func (f *Folder) CheckServed() error {
	if !isServed(f.Dir) {
		return nil
	}
	raw, err := readSmall(filepath.Join(f.Dir, servingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the server has just started
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

// checkNotLost fails if a file that this folder's server has open is missing: the server would not see a new
// file in its place.
func checkNotLost(dir string, names ...string) error {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) && isServed(dir) {
			return fmt.Errorf("%s is missing: %w", filepath.Join(dir, name), sqlite.ErrReplaced)
		}
	}
	return nil
}

// whilePlacedWriter writes only while a folder is at its path: opening a log file would create the folder
// again.
type whilePlacedWriter struct {
	dir    string
	opened fs.FileInfo
	write  func([]byte) (int, error)
}

// Write implements io.Writer.
func (w whilePlacedWriter) Write(p []byte) (int, error) {
	if now, err := os.Stat(w.dir); err != nil || !os.SameFile(now, w.opened) {
		return 0, fmt.Errorf("%s: %w", w.dir, files.ErrReplaced)
	}
	return w.write(p)
}
