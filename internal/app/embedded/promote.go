package embedded

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	places "gakushoku/internal/app/place"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// PromoteOptions say how to promote a standby.
type PromoteOptions struct {
	By string // who promotes, for people
	// Down states that the primary is down: required if it does not stop by itself.
	Down bool
}

// Promoted is the outcome of a promotion.
type Promoted struct {
	Place    string    `json:"place"`
	Fence    uint64    `json:"fence"`    // its number in the log
	WaitedMs int64     `json:"waitedMs"` // until no command could be acknowledged by the old primary
	Serving  bool      `json:"serving"`  // whether a server has the folder, and takes commands now
	At       time.Time `json:"at"`
}

// ErrNotStandby means that a folder that is no standby cannot be promoted.
var ErrNotStandby = errors.New("is no standby")

// promoteFile is where an operator leaves a request for the server of a standby.
const promoteFile = "promote.json"

// Promote makes a standby the primary. A server that has the folder does that by itself, and goes on as the
// primary. It returns once commands may be acknowledged.
func Promote(ctx context.Context, dir string, o PromoteOptions) (Promoted, error) {
	role, err := ReadRole(dir)
	if err != nil {
		return Promoted{}, err
	}
	if role.Role != RoleStandby {
		return Promoted{}, fmt.Errorf("%s %w: %s", dir, ErrNotStandby, cmp.Or(role.Role, "it has no role"))
	}
	if isServed(dir) {
		return askServer(ctx, dir, o)
	}
	unlock, err := claimFolder(ctx, dir)
	if err != nil {
		return Promoted{}, err
	}
	defer unlock()
	folder, err := OpenExistingFolder(ctx, dir)
	if err != nil {
		return Promoted{}, err
	}
	blobs, err := places.Open(ctx, role.Place)
	if err != nil {
		return Promoted{}, errors.Join(err, folder.Close())
	}
	done, err := folder.promote(ctx, folder.standby(blobs), blobs, o)
	return done, errors.Join(err, folder.Close())
}

// promote puts a fence, waits until the old primary has stopped, and records the new role.
func (f *Folder) promote(ctx context.Context, s *replica.Standby, p eventlog.Blobs, o PromoteOptions) (Promoted, error) {
	began := time.Now()
	about, err := replica.ReadAbout(ctx, p)
	if err != nil && !errors.Is(err, eventlog.ErrNoBlob) {
		return Promoted{}, err
	}
	if about.LeaseMs == 0 && !o.Down {
		return Promoted{}, errors.New("the primary does not stop by itself (--fencing=manual): make sure that it is down, then say so with --primary-is-down")
	}
	fenced, err := s.Fence(ctx, cmp.Or(o.By, "operator"))
	if err == nil {
		err = fenced.Await(ctx, about.Lease(), time.Now)
	}
	if err == nil {
		err = f.become(Role{Role: RolePrimary, Place: f.Role().Place, Fence: fenced.Number})
	}
	if err != nil {
		return Promoted{}, fmt.Errorf("promoting: %w", err)
	}
	observe.Logger(ctx).Warn().Uint64("fence", fenced.Number).Str("by", o.By).Msg("replica:promoted")
	return Promoted{Place: f.Role().Place, Fence: fenced.Number, WaitedMs: time.Since(began).Milliseconds(), At: time.Now().UTC()}, nil
}

// asked carries out a promotion that an operator has asked for. It returns whether it is done.
func (d *duty) asked(ctx context.Context, s *replica.Standby) bool {
	path := filepath.Join(d.folder.Dir, promoteFile)
	raw, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var o PromoteOptions
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err == nil {
		_, err = d.folder.promote(ctx, s, d.place, o)
	}
	if err != nil {
		observe.Logger(ctx).Error().Err(err).Msg("replica:not-promoted")
		if !isInfra(err) && ctx.Err() == nil {
			dropRequest(ctx, path)
		}
		return false
	}
	d.lead()
	dropRequest(ctx, path)
	return true
}

func dropRequest(ctx context.Context, path string) {
	if err := os.Remove(path); err != nil {
		observe.Logger(ctx).Warn().Err(err).Msg("replica:request-left")
	}
}

// askServer asks the server of a folder to promote it, and waits until it has.
func askServer(ctx context.Context, dir string, o PromoteOptions) (Promoted, error) {
	began := time.Now()
	encoded, err := json.Marshal(o)
	if err == nil {
		err = writeWhole(dir, promoteFile, append(encoded, '\n'))
	}
	if err != nil {
		return Promoted{}, fmt.Errorf("asking the server to promote: %w", err)
	}
	for {
		role, err := ReadRole(dir)
		if err != nil {
			return Promoted{}, err
		}
		_, pending := os.Stat(filepath.Join(dir, promoteFile))
		gone := errors.Is(pending, fs.ErrNotExist)
		switch {
		case role.Role == RolePrimary && gone:
			return Promoted{Place: role.Place, Fence: role.Fence, WaitedMs: time.Since(began).Milliseconds(), Serving: true, At: role.Since}, nil
		case gone:
			return Promoted{}, errors.New("the server refused the promotion: see its log for replica:not-promoted (is --primary-is-down missing?)")
		}
		if err := wait.For(ctx, followPause); err != nil {
			return Promoted{}, fmt.Errorf("waiting for the server, which still tries: %w", err)
		}
	}
}
