package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	places "gakushoku/internal/app/place"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

// duty is what a server does for other installations: it copies its log to a place, or follows one, or neither.
type duty struct {
	folder  *Folder
	target  string // of the place
	place   eventlog.Blobs
	lease   time.Duration // of this installation as a primary; 0: none
	url     string        // where this installation takes commands
	began   time.Time
	waiting time.Duration // between looks at a place that is followed

	mu      sync.Mutex
	primary *replica.Primary // nil if it does not copy
	standby *replica.Standby // nil if it does not follow
	about   replica.About    // of the primary that is followed
}

// openDuty opens the place of a server; nil if it has none.
func openDuty(ctx context.Context, f *Folder, o *ServeOptions, url string) (*duty, error) {
	target := cmp.Or(o.ReplicateTo, o.StandbyOf)
	if target == "" {
		return nil, nil
	}
	d := &duty{folder: f, target: target, lease: cmp.Or(o.Lease, replica.Lease), url: cmp.Or(o.Advertise, url), began: time.Now(), waiting: followPause}
	if o.ManualFencing {
		d.lease = 0
	}
	var err error
	if d.place, err = places.Open(ctx, target); err != nil {
		return nil, fmt.Errorf("opening the place of the replica: %w", err)
	}
	if o.StandbyOf == "" {
		d.lead()
		return d, f.become(Role{Role: RolePrimary, Place: target, Fence: f.Role().Fence})
	}
	if head, err := f.Events.Head(ctx); err != nil || f.Role().Role == "" && head > 0 {
		return nil, errors.Join(err, fmt.Errorf("%s has events of its own: choose an empty --data folder for a standby", f.Dir))
	}
	d.standby = f.standby(d.place)
	return d, f.become(Role{Role: RoleStandby, Place: target})
}

// standby builds what follows a place.
func (f *Folder) standby(p eventlog.Blobs) *replica.Standby {
	return &replica.Standby{
		Place: p, Events: taking{f.Events, f}, Ledger: f.Ledger, Blobs: f.Blobs, Now: time.Now, NewID: observe.NewID,
		Took: func(ctx context.Context, m eventstore.Mark) error { return archivePosition{f}.SetArchived(ctx, m) },
	}
}

// lead makes the duty that of a primary.
func (d *duty) lead() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.standby = nil
	d.primary = &replica.Primary{
		Log: d.folder.Log(), Place: d.place, Now: time.Now, About: replica.About{URL: d.url, LeaseMs: d.lease.Milliseconds()},
	}
}

func (d *duty) parts() (*replica.Primary, *replica.Standby, replica.About) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.primary, d.standby, d.about
}

// allow returns nil as long as commands may be acknowledged.
func (d *duty) allow() error {
	if d == nil {
		return nil
	}
	primary, _, about := d.parts()
	if primary == nil {
		return &replica.NotPrimary{Why: replica.ErrStandby, Primary: about.URL}
	}
	return primary.Allow()
}

// following is httpapi.Config.Follows.
func (d *duty) following() (httpapi.Following, bool) {
	if d == nil {
		return httpapi.Following{}, false
	}
	_, standby, about := d.parts()
	if standby == nil {
		return httpapi.Following{}, false
	}
	return httpapi.Following{Behind: d.behind(), Primary: about.URL}, true
}

// behind returns how far the copy is behind, or the standby.
func (d *duty) behind() time.Duration {
	primary, standby, _ := d.parts()
	if primary != nil {
		return primary.Behind(d.began)
	}
	level := standby.Level()
	if level.IsZero() {
		level = d.began
	}
	return max(0, time.Since(level))
}

// probe checks that replication is within its bound.
func (d *duty) probe() health.Probe {
	return health.Replication(replica.Bound, func(context.Context) (health.Lag, error) {
		primary, _, about := d.parts()
		lag := health.Lag{Behind: d.behind()}
		if primary == nil {
			lag.Detail = fmt.Sprintf("a standby of %s, %s behind", cmp.Or(about.URL, "a primary that is not known"), lag.Behind.Round(time.Millisecond))
			return lag, nil
		}
		s := primary.Standing()
		if s.Stopped != nil {
			return lag, health.Problemf("%v", s.Stopped)
		}
		lag.Detail = fmt.Sprintf("the place has the events up to %d, %s behind", s.Copied, lag.Behind.Round(time.Millisecond))
		return lag, nil
	})
}

// run does the duty of a primary until ctx ends or it has to stop for good, which it records.
func (d *duty) run(ctx context.Context) {
	primary, _, _ := d.parts()
	if err := primary.Run(ctx); errors.Is(err, replica.ErrFenced) {
		if err := d.folder.become(Role{Role: RoleFenced, Place: d.target}); err != nil {
			observe.Logger(ctx).Error().Err(err).Msg("replica:not-recorded")
		}
	}
}

// last copies what a server that stops has left.
func (d *duty) last(ctx context.Context) error {
	primary, _, _ := d.parts()
	return primary.Copy(ctx)
}

const (
	followPause  = 200 * time.Millisecond // between looks at a place
	followLimit  = 5 * time.Minute        // for one look, so that a place that hangs is tried again
	slowestPause = 5 * time.Second        // after failures
)

// follow follows the place until ctx ends, or an operator asks for the promotion, which it carries out. It returns
// whether this is the primary now.
func (d *duty) follow(ctx context.Context) bool {
	_, standby, _ := d.parts()
	pause := d.waiting
	for {
		limited, cancel := context.WithTimeout(ctx, followLimit)
		err := standby.CatchUp(limited)
		if err == nil {
			err = d.look(limited)
		}
		cancel()
		observe.MetricsOf(ctx).ReplicaBehind(ctx, d.behind())
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			pause = d.waiting
		default:
			observe.Logger(ctx).Error().Err(err).Msg("replica:not-followed")
			pause = min(2*pause, max(slowestPause, d.waiting))
		}
		if done := d.asked(ctx, standby); done {
			return true
		}
		if wait.For(ctx, pause) != nil {
			return false
		}
	}
}

// look reads who the primary is.
func (d *duty) look(ctx context.Context) error {
	about, err := replica.ReadAbout(ctx, d.place)
	if errors.Is(err, eventlog.ErrNoBlob) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.about = about
	}
	return err
}
