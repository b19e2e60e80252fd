package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	places "gakushoku/internal/app/place"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

// Rejoined is the outcome of bringing an old primary back.
type Rejoined struct {
	Place    string `json:"place"`
	Common   uint64 `json:"common"`             // number of the last event that both logs have
	Ours     uint64 `json:"ours"`               // of the last event here
	Lost     int    `json:"lost"`               // events that only this folder has
	LostFile string `json:"lostFile,omitempty"` // where they are, as JSON lines
	SetAside string `json:"setAside,omitempty"` // folder with the old stores
}

// ErrStillPrimary means that no other installation was promoted.
var ErrStillPrimary = errors.New("no other installation was promoted: this is still the primary, start it with `gakushoku serve`")

// Rejoin makes an old primary a standby of the installation that was promoted in its place. What the log of the
// place lacks is written to lostFile, for a person to decide about; nothing of it is merged. The old stores are
// set aside in the folder. No server may have the folder.
func Rejoin(ctx context.Context, dir, target, lostFile string) (Rejoined, error) {
	unlock, err := claimFolder(ctx, dir)
	if err != nil {
		return Rejoined{}, err
	}
	defer unlock()
	role, err := ReadRole(dir)
	switch {
	case err != nil:
		return Rejoined{}, err
	case role.Role == RoleStandby:
		return Rejoined{}, fmt.Errorf("%s is a standby already: start it with `gakushoku standby --from %s`", dir, role.Place)
	}
	result := Rejoined{Place: target}
	if role.Role != roleRejoining {
		result, err = compare(ctx, dir, target, lostFile)
	}
	if err == nil {
		result.SetAside, err = anew(ctx, dir, target)
	}
	if err != nil {
		return result, fmt.Errorf("rejoining: %w", err)
	}
	return result, nil
}

// anew sets the stores of a folder aside and makes it a standby without events. It may be repeated after a crash.
func anew(ctx context.Context, dir, target string) (aside string, err error) {
	if err := writeRole(dir, Role{Role: roleRejoining, Place: target}); err != nil {
		return "", err
	}
	if aside, err = setAside(dir); err != nil {
		return aside, fmt.Errorf("setting the old stores aside: %w", err)
	}
	if err := layOut(ctx, dir); err != nil {
		return aside, err
	}
	if err := keepCredentials(ctx, aside, dir); err != nil {
		return aside, fmt.Errorf("keeping the device keys: %w", err)
	}
	return aside, writeRole(dir, Role{Role: RoleStandby, Place: target})
}

// keepCredentials copies device keys and the secrets of sessions, which are in no log.
func keepCredentials(ctx context.Context, from, to string) (err error) {
	path := filepath.Join(from, "control.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old, err := sqlite.OpenControl(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	control, err := sqlite.OpenControl(ctx, filepath.Join(to, "control.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	for _, kind := range []string{credential.KindKey, credential.KindSecret} {
		records, err := old.Credentials(ctx, kind)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := control.AddCredential(ctx, kind, r); err != nil && !errors.Is(err, credential.ErrExists) {
				return err
			}
		}
	}
	return nil
}

// compare writes what the place's log lacks to lostFile.
func compare(ctx context.Context, dir, target, lostFile string) (result Rejoined, err error) {
	folder, err := OpenExistingFolder(ctx, dir)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	blobs, err := places.Read(ctx, target)
	if err != nil {
		return result, err
	}
	if err := folder.Archive(ctx); err != nil { // so that the own log has everything
		return result, err
	}
	d, err := replica.Compare(ctx, folder.Log(), blobs)
	if err != nil {
		return result, err
	}
	if !d.Fenced {
		return result, ErrStillPrimary
	}
	result = Rejoined{Place: target, Common: d.Common, Ours: d.Ours, LostFile: lostFile}
	result.Lost, err = writeLost(lostFile, func(do func(*event.Event) error) error {
		return replica.Lost(ctx, folder.Log(), blobs, d, do)
	})
	return result, err
}

// writeLost writes events to a new file, which is complete or not there.
func writeLost(path string, each func(func(*event.Event) error) error) (count int, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("writing what the new log lacks: %w", err)
	}
	out := bufio.NewWriter(file)
	var line []byte
	err = each(func(e *event.Event) error {
		count++
		line = append(event.AppendJSON(line[:0], e), '\n')
		_, err := out.Write(line)
		return err
	})
	if err = errors.Join(err, out.Flush(), file.Sync(), file.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return count, err
}

// setAside moves the stores of a folder into a folder within it. It moves the marker last, so it may be repeated.
func setAside(dir string) (string, error) {
	to := filepath.Join(dir, "before-rejoin-"+time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Mkdir(to, 0o700); err != nil {
		return "", err
	}
	names := []string{"events.db", "control.db", "log.db"}
	for _, name := range names {
		names = append(names, name+"-wal", name+"-shm")
	}
	for _, name := range append(names, "log", "readmodels", markerFile) {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return to, err
		}
	}
	return to, nil
}
