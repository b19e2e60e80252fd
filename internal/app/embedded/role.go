package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gakushoku/internal/engine/replica"
	"gakushoku/internal/fault"
)

// The roles of a data folder among installations.
const (
	RolePrimary = "primary" // takes commands, and copies its log to a place
	RoleStandby = "standby" // follows a place
	RoleFenced  = "fenced"  // was a primary until another installation was promoted

	roleRejoining = "rejoining" // was a primary, and its stores are being set aside
)

// Role is what a data folder is among installations; the zero Role is on its own.
type Role struct {
	Role  string `json:"role,omitempty"`
	Place string `json:"place,omitempty"`
	// Fence is the number of the fence by which the folder was promoted; 0 if it was not.
	Fence uint64    `json:"fence,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// roleFile records the role of a data folder, once it has one.
const roleFile = "replica.json"

// ReadRole returns the role of a data folder.
func ReadRole(dir string) (r Role, err error) {
	raw, err := readSmall(filepath.Join(dir, roleFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading the role of %s: %w", dir, err)
	}
	return r, nil
}

func writeRole(dir string, r Role) error {
	encoded, err := json.Marshal(r)
	if err == nil {
		err = writeWhole(dir, roleFile, append(encoded, '\n'))
	}
	if err != nil {
		return fmt.Errorf("recording the role of %s: %w", dir, err)
	}
	return nil
}

// mayAppend is asked at each commit of events. Only what follows a place may add events to a standby.
func (f *Folder) mayAppend() error {
	if err := f.othersInPlace(); err != nil {
		return err
	}
	switch {
	case f.taking.Load():
	case f.follows():
		return &replica.NotPrimary{Why: replica.ErrStandby}
	case f.Role().Role == RoleFenced:
		return &replica.NotPrimary{Why: replica.ErrFenced}
	}
	return nil
}

// follows reports whether the folder's log is that of a place, so that nothing may be added to it here.
func (f *Folder) follows() bool { return f.Role().Role == RoleStandby }

// Role returns what the folder is among installations.
func (f *Folder) Role() Role {
	if r := f.role.Load(); r != nil {
		return *r
	}
	return Role{}
}

// become records another role of the folder.
func (f *Folder) become(r Role) error {
	if now := f.Role(); r.Role == now.Role && r.Place == now.Place && r.Fence == now.Fence {
		return nil
	}
	r.Since = time.Now().UTC()
	err := writeRole(f.Dir, r)
	if err == nil {
		f.role.Store(&r)
	}
	return err
}

// checkRole refuses options of a server that contradict the role of its folder.
func checkRole(r Role, o *ServeOptions) error {
	refused := func(format string, args ...any) error { return fmt.Errorf(o.Dir+" "+format, args...) }
	switch {
	case r.Role == roleRejoining:
		return refused("is on its way to become a standby: run `gakushoku rejoin --from %s` again", r.Place)
	case r.Role == RoleFenced:
		return refused("was replaced by another installation: make it a standby with `gakushoku rejoin --from %s`", r.Place)
	case r.Role == RoleStandby && o.StandbyOf == "":
		return refused("is a standby of %s: start it with `gakushoku standby --from %s`, or make it the primary with `gakushoku promote`", r.Place, r.Place)
	case r.Role == RolePrimary && o.StandbyOf != "":
		return refused("is a primary: stop it, and make it a standby with `gakushoku rejoin --from %s` after another one was promoted", r.Place)
	case r.Role == RolePrimary && o.ReplicateTo == "" && !o.Alone:
		return refused("replicates to %s: start it with --replicate-to %s, or with --replicate-to none to stop that; a standby must not be promoted then", r.Place, r.Place)
	case r.Role != "" && !o.Alone && r.Place != o.ReplicateTo+o.StandbyOf:
		return refused("has %s as its place, not %s: to move to another place, start it once with --replicate-to none", r.Place, o.ReplicateTo+o.StandbyOf)
	}
	return nil
}

// isInfra reports whether another try may cure an error.
func isInfra(err error) bool { return fault.ClassOf(err) == fault.Infra }
