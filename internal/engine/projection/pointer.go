package projection

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// State is the role of a table version.
type State string

// A version is building until it is switched to, active while readers see it, previous while it can be rolled
// back to, and dropped once its table is gone. A scratch version shows a past moment: it is not written after
// it has been filled, and readers are never switched to it.
const (
	Building State = "building"
	Active   State = "active"
	Previous State = "previous"
	Scratch  State = "scratch"
)

// Version is one table version of a projection, as the pointer lists it.
type Version struct {
	Number   int           `json:"number"`
	Revision int           `json:"revision"` // of the code that fills it
	State    State         `json:"state"`
	RunID    string        `json:"runId,omitempty"`  // of the rebuild that built it
	Joined   bool          `json:"joined,omitempty"` // live delivery also writes it while it is building
	Since    event.Instant `json:"since,omitzero"`   // when it entered its state
	Verified *Verified     `json:"verified,omitempty"`
}

// Verified is the outcome of a version's last verification that an operator requested.
type Verified struct {
	At       event.Instant `json:"at"`
	Problems int           `json:"problems"` // rows and totals that it left wrong
}

// Live reports whether live delivery writes the version.
func (v Version) Live() bool {
	return v.State == Active || v.State == Previous || v.State == Building && v.Joined
}

// Pointer names a projection's table versions and the one that readers see. It is stored as one value and
// changed only by compare-and-set.
type Pointer struct {
	Projection string    `json:"projection"`
	Versions   []Version `json:"versions"`
	Next       int       `json:"next"` // the next version number; numbers are never reused
	Changes    uint64    `json:"changes"`
	// Generation rises when readers are to read again what they have kept of the rows.
	Generation uint64 `json:"generation,omitempty"`
}

// ActiveVersion returns the version that readers see.
func (p Pointer) ActiveVersion() (Version, bool) {
	for _, v := range p.Versions {
		if v.State == Active {
			return v, true
		}
	}
	return Version{}, false
}

// Table returns the table of one version of p.
func (p Pointer) Table(v Version) Table { return Table{p.Projection, v.Number} }

// Errors of Pointers.
var (
	// ErrNoPointer means that a projection was never set up.
	ErrNoPointer = errors.New("the projection has no pointer")
	// ErrPointerChanged means that another process changed the pointer: read it again.
	ErrPointerChanged = errors.New("the pointer has changed since it was read")
)

// Pointers is the port to the version pointers. Its contract suite is
// projectiontest.TestPointers. Reads are strongly consistent.
type Pointers interface {
	// Pointer returns a projection's pointer, or ErrNoPointer.
	Pointer(ctx context.Context, projection string) (Pointer, error)
	// SetPointer stores p with Changes+1 if the stored pointer still has p.Changes changes (0: does not
	// exist). Otherwise it returns ErrPointerChanged.
	SetPointer(ctx context.Context, p Pointer) error
}

// Ensure sets a projection up with its first table version, which is active. It does nothing if there is a
// pointer. Several processes may call it at once.
func Ensure(ctx context.Context, pointers Pointers, tables Tables, d model.Projection) error {
	_, err := pointers.Pointer(ctx, d.Name)
	if err == nil || !errors.Is(err, ErrNoPointer) {
		return err
	}
	p := Pointer{Projection: d.Name, Versions: []Version{{Number: 1, Revision: d.Revision, State: Active}}, Next: 2}
	if err := tables.Create(ctx, Table{d.Name, 1}); err != nil {
		return fmt.Errorf("creating %s: %w", Table{d.Name, 1}, err)
	}
	if err := pointers.SetPointer(ctx, p); err != nil && !errors.Is(err, ErrPointerChanged) {
		return fmt.Errorf("setting up %s: %w", d.Name, err)
	}
	return nil
}

// pointerRetries bounds the tries of ChangePointer when other processes keep changing the pointer.
var pointerRetries = retry.Policy{Tries: 10}

// ChangePointer reads a pointer, calls edit to change it, and stores it; it tries again if another process
// was faster. Edit returns false if there is no change to store.
func ChangePointer(ctx context.Context, pointers Pointers, name string, edit func(*Pointer) (bool, error)) (p Pointer, err error) {
	err = retry.Do(ctx, pointerRetries, func() (bool, error) {
		if p, err = pointers.Pointer(ctx, name); err != nil {
			return false, err
		}
		change, err := edit(&p)
		if err != nil || !change {
			return false, err
		}
		if err := pointers.SetPointer(ctx, p); !errors.Is(err, ErrPointerChanged) {
			return false, err
		}
		return true, fault.Unavailable(fmt.Errorf("changing the pointer of %s: others kept changing it", name))
	})
	return p, err
}

// CachedPointers caches pointers, so that reading a row does not cost a read of the pointer. It never returns
// an older pointer after a newer one: if reads overlap a switch, the slow one must not bring the old version
// back. It is safe for concurrent use.
type CachedPointers struct {
	Source Pointers
	TTL    time.Duration // maximum age of a cached pointer
	Now    func() time.Time

	mu      sync.Mutex
	entries map[string]cachedPointer
}

type cachedPointer struct {
	pointer Pointer
	read    time.Time
}

// Pointer returns the projection's pointer, at most TTL old.
func (c *CachedPointers) Pointer(ctx context.Context, projection string) (Pointer, error) {
	// The age counts from before the read, since the result may be as old as that.
	now := c.Now()
	c.mu.Lock()
	entry, ok := c.entries[projection]
	c.mu.Unlock()
	fresh := ok && now.Sub(entry.read) < c.TTL
	observe.MetricsOf(ctx).PointerRead(ctx, fresh)
	if fresh {
		return entry.pointer, nil
	}
	p, err := c.Source.Pointer(ctx, projection)
	if err != nil {
		return Pointer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]cachedPointer{}
	}
	if known := c.entries[projection]; known.pointer.Changes > p.Changes {
		return known.pointer, nil
	}
	c.entries[projection] = cachedPointer{p, now}
	return p, nil
}

// Forget discards a projection's cached pointer, after the caller changed the pointer or found it to be
// wrong.
func (c *CachedPointers) Forget(projection string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry, ok := c.entries[projection]; ok {
		entry.read = time.Time{} // expired, but still known, so that no older pointer replaces it
		c.entries[projection] = entry
	}
}
