package projection

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// State is what a table version is for.
type State string

// A version is building until it is switched to, active while readers see it, previous while
// it can be rolled back to, and dropped once its table is gone. A scratch version shows a past
// moment: nobody writes it after it was filled, and nobody is switched to it.
const (
	Building State = "building"
	Active   State = "active"
	Previous State = "previous"
	Scratch  State = "scratch"
)

// Version is one table version of a projection as the pointer knows it.
type Version struct {
	Number   int           `json:"number"`
	Revision int           `json:"revision"` // of the fold that fills it
	State    State         `json:"state"`
	RunID    string        `json:"runId,omitempty"`  // of the rebuild that made it
	Joined   bool          `json:"joined,omitempty"` // a building one that live delivery writes too
	Since    event.Instant `json:"since,omitzero"`   // when it came into its state
	Verified *Verified     `json:"verified,omitempty"`
}

// Verified is the outcome of the last verification of a version that an operator asked for.
type Verified struct {
	At       event.Instant `json:"at"`
	Problems int           `json:"problems"` // rows and totals that it left wrong
}

// Live reports whether live delivery writes the version.
func (v Version) Live() bool {
	return v.State == Active || v.State == Previous || v.State == Building && v.Joined
}

// Pointer says which table versions of a projection exist and which one readers see. It is
// stored as one value and changed by compare-and-set only.
type Pointer struct {
	Projection string    `json:"projection"`
	Versions   []Version `json:"versions"`
	Next       int       `json:"next"` // the next version number; numbers are never used twice
	Changes    uint64    `json:"changes"`
}

// ActiveVersion is the version that readers see.
func (p Pointer) ActiveVersion() (Version, bool) {
	for _, v := range p.Versions {
		if v.State == Active {
			return v, true
		}
	}
	return Version{}, false
}

// Table is the table of one version of p.
func (p Pointer) Table(v Version) Table { return Table{p.Projection, v.Number} }

// Errors of Pointers.
var (
	// ErrNoPointer says that a projection was never set up.
	ErrNoPointer = errors.New("the projection has no pointer")
	// ErrPointerChanged says that somebody else changed the pointer: read it again.
	ErrPointerChanged = errors.New("the pointer has changed since it was read")
)

// Pointers is the port to the version pointers. Its contract suite is
// projectiontest.TestPointers. Reads are strongly consistent.
type Pointers interface {
	// Pointer reads the pointer of a projection, or ErrNoPointer.
	Pointer(ctx context.Context, projection string) (Pointer, error)
	// SetPointer stores p with Changes+1 when the stored pointer still has p.Changes changes
	// (0: is not there), and otherwise answers ErrPointerChanged.
	SetPointer(ctx context.Context, p Pointer) error
}

// Ensure sets a projection up: its first table version, active. It does nothing when there
// is a pointer, and may run in several processes at once.
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

// maxPointerTries bounds how often a change of the pointer is tried again after another process
// changed it.
const maxPointerTries = 10

// ChangePointer reads a pointer, lets edit change it and stores it, again when another process was
// faster. Edit returns false when there is nothing to change.
func ChangePointer(ctx context.Context, pointers Pointers, name string, edit func(*Pointer) (bool, error)) (Pointer, error) {
	for range maxPointerTries {
		p, err := pointers.Pointer(ctx, name)
		if err != nil {
			return p, err
		}
		change, err := edit(&p)
		if err != nil || !change {
			return p, err
		}
		if err := pointers.SetPointer(ctx, p); !errors.Is(err, ErrPointerChanged) {
			return p, err
		}
	}
	return Pointer{}, fault.Unavailable(fmt.Errorf("changing the pointer of %s: others kept changing it", name))
}

// CachedPointers answers from memory for a while, so that a read of a row does not cost a
// read of the pointer. Nobody gets an older pointer after a newer one: of reads that overlap a
// switch, the slow one must not bring the old version back. It is safe for concurrent use.
type CachedPointers struct {
	Source Pointers
	TTL    time.Duration // how old an answer may be
	Now    func() time.Time

	mu      sync.Mutex
	entries map[string]cachedPointer
}

type cachedPointer struct {
	pointer Pointer
	read    time.Time
}

// Pointer is the projection's pointer, at most TTL old.
func (c *CachedPointers) Pointer(ctx context.Context, projection string) (Pointer, error) {
	// The age counts from before the read: what comes back may be as old as that.
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

// Forget drops the answer for a projection, for whoever has just changed it or has found it
// to be wrong.
func (c *CachedPointers) Forget(projection string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry, ok := c.entries[projection]; ok {
		entry.read = time.Time{} // long ago; how new it was is still known
		c.entries[projection] = entry
	}
}
