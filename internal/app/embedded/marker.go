package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/sqlite"
)

// identified is a store opened to read its id.
type identified interface {
	Belong(ctx context.Context, id string) (string, error)
	Close() error
}

// mendMarker restores the marker of a folder if nothing else is missing: the stores exist and belong to one
// folder.
func mendMarker(ctx context.Context, dir string) (mended bool, err error) {
	about, err := os.Stat(eventsFile(dir))
	if err != nil {
		return false, nil // opening it reports the error
	}
	if err := checkOwner(dir, about, os.Geteuid()); err != nil {
		return false, err
	}
	id := agreed(ctx, dir)
	if id == "" {
		return false, ctx.Err()
	}
	return true, writeMarker(dir, id)
}

// agreed returns the id of the folder that all stores belong to; "" if they disagree, or if one is missing or
// unreadable.
func agreed(ctx context.Context, dir string) (id string) {
	for path, open := range map[string]func(path string) (identified, error){
		eventsFile(dir):                  func(path string) (identified, error) { return sqlite.OpenExistingEvents(ctx, path) },
		filepath.Join(dir, "control.db"): func(path string) (identified, error) { return sqlite.OpenControl(ctx, path) },
		ledgerFile(dir):                  func(path string) (identified, error) { return sqlite.OpenLedger(ctx, path) },
		logFolder(dir):                   func(path string) (identified, error) { return openIdentity(path) },
	} {
		theirs, err := identity(ctx, path, open)
		if err != nil || theirs == "" || id != "" && theirs != id {
			return ""
		}
		id = theirs
	}
	return id
}

// identity reads the id of a store, which must exist: opening some stores would create them.
func identity(ctx context.Context, path string, open func(string) (identified, error)) (string, error) {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return "", errors.Join(fmt.Errorf("%s is missing or empty", path), err)
	}
	part, err := open(path)
	if err != nil {
		return "", err
	}
	id, err := part.Belong(ctx, "")
	return id, errors.Join(err, part.Close())
}

// logIdentity reads the id of the objects of the log.
type logIdentity struct{ folder *Folder }

func openIdentity(path string) (identified, error) {
	blobs, err := files.OpenBlobs(path)
	return logIdentity{&Folder{Blobs: blobs}}, err
}

// Belong implements identified.
func (l logIdentity) Belong(ctx context.Context, id string) (string, error) {
	return l.folder.logBelongs(ctx, id)
}

// Close implements identified. Nothing is open.
func (logIdentity) Close() error { return nil }

// whileMarked wraps a probe. It fails if the folder's marker was removed, or is another folder's.
func (f *Folder) whileMarked(p health.Probe) health.Probe {
	return health.Probe{Name: p.Name, Check: func(ctx context.Context) (string, error) {
		m, found, err := readMarker(f.Dir)
		if err != nil {
			return "", errors.Join(health.Problemf("%s cannot be read: restore it from a backup of this folder", markerFile), err)
		}
		if !found {
			return "", health.Problemf("%s was removed while it is served: start the server again, which restores it from the other files", markerFile)
		}
		id, err := f.Events.Belong(ctx, "")
		if err == nil && m.Folder != id {
			err = health.Problemf("%s is that of another folder: restore this folder's own", markerFile)
		}
		if err != nil {
			return "", err
		}
		return p.Check(ctx)
	}}
}
