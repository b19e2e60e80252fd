// Package replica copies a log to a place outside of its installation as it grows, follows such a place with
// another installation, and lets that one take over. infra/DESIGN.md section 19 is the specification.
//
// A place has the segments and manifests of the log under the log's own keys, and the ledger of the place: one
// entry for each segment, put under the number of its first event and only where none is. So the entries decide
// what the log is: the process that puts one there has extended it, and no other can.
package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// Lease is how long a primary may acknowledge commands after its last contact with the place began, unless its
// installation says otherwise. It is also what a promotion waits.
const Lease = 10 * time.Second

// Bound is how far replication may be behind, and how old the last contact with the place may be, before health
// checks fail.
const Bound = 30 * time.Second

// entryFolder holds the ledger of a place.
const entryFolder = "ledger/"

// entryKey returns the key of the entry of the segment that begins with number first. Keys sort like numbers.
func entryKey(first uint64) string { return fmt.Sprintf("%s%020d.json", entryFolder, first) }

// firstOf is the inverse of entryKey.
func firstOf(key string) (uint64, error) {
	number := strings.TrimSuffix(strings.TrimPrefix(key, entryFolder), ".json")
	first, err := strconv.ParseUint(number, 10, 64)
	if err != nil || entryKey(first) != key {
		return 0, fmt.Errorf("%s is no entry of a place's ledger", key)
	}
	return first, nil
}

// Errors of this package.
var (
	// ErrFenced means that the place's log goes on without this installation: another one was promoted.
	ErrFenced = errors.New("another installation was promoted: this one acknowledges nothing any more, bring it back with `gakushoku rejoin`")
	// ErrNoLease means that the place was not reached recently enough to rule out that another installation was
	// promoted.
	ErrNoLease = errors.New("the place that the log is replicated to cannot be reached, so another installation may have been promoted")
	// ErrStandby means that this installation follows another one.
	ErrStandby = errors.New("this is a standby: it takes no commands")
	// ErrOtherLog means that the place has the log of another installation.
	ErrOtherLog = errors.New("the place has the log of another installation")
	// ErrDamaged means that an object of the place is not what the log says.
	ErrDamaged = errors.New("an object of the place is damaged")
)

// NotPrimary is why an installation takes no commands. It passes: another installation takes them, or this one
// will again.
type NotPrimary struct {
	Why     error  // one of the errors above
	Primary string // URL of the installation that takes commands; "" if it is not known
}

// Error implements error.
func (e *NotPrimary) Error() string {
	if e.Primary == "" {
		return e.Why.Error()
	}
	return fmt.Sprintf("%v: commands go to %s", e.Why, e.Primary)
}

// Unwrap makes it match Why, and an error that another try may cure.
func (e *NotPrimary) Unwrap() error { return fault.Unavailable(e.Why) }

// readEntry reads the entry of the segment that begins with number first. It fails with eventlog.ErrNoBlob if
// there is none.
func readEntry(ctx context.Context, place eventlog.BlobReader, first uint64) (eventlog.Manifest, error) {
	raw, err := place.Get(ctx, entryKey(first))
	if err != nil {
		return eventlog.Manifest{}, err
	}
	var m eventlog.Manifest
	if err = json.Unmarshal(raw, &m); err == nil {
		err = m.Check()
	}
	if err == nil && m.First != first {
		err = fmt.Errorf("it is for segment %d", m.First)
	}
	if err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrDamaged, entryKey(first), err)
	}
	return m, nil
}

// readSegment reads the object of a segment and compares it with its manifest.
func readSegment(ctx context.Context, blobs eventlog.BlobReader, m *eventlog.Manifest) ([]byte, error) {
	data, err := blobs.Get(ctx, m.Key)
	if err != nil {
		return nil, err
	}
	if !m.Describes(data) {
		return nil, fmt.Errorf("%w: %s is not what was written, by its digest", ErrDamaged, m.Key)
	}
	return data, nil
}

// eventsOf decodes the object of a segment.
func eventsOf(data []byte, m *eventlog.Manifest) ([]event.Event, error) {
	events := make([]event.Event, 0, m.Count())
	err := eventlog.EachLine(data, func(line []byte) error {
		var e event.Event
		if err := event.Decode(line, &e); err != nil {
			return err
		}
		events = append(events, e.Clone())
		return nil
	})
	if err == nil && len(events) != m.Count() {
		err = fmt.Errorf("%w: %s has %d events, its manifest says %d", ErrDamaged, m.Key, len(events), m.Count())
	}
	return events, err
}

// aboutKey is the object that says who replicates to a place.
const aboutKey = "primary.json"

// About is what a primary tells those who follow it.
type About struct {
	URL     string `json:"url,omitempty"` // where it takes commands
	LeaseMs int64  `json:"leaseMs"`       // how long a promotion waits; 0: it must know by itself that the primary is down
}

// Lease is how long the primary acknowledges commands after its last contact.
func (a About) Lease() time.Duration { return time.Duration(a.LeaseMs) * time.Millisecond }

// ReadAbout reads who replicates to a place. A place without a replica is eventlog.ErrNoBlob.
func ReadAbout(ctx context.Context, place eventlog.BlobReader) (a About, err error) {
	raw, err := place.Get(ctx, aboutKey)
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		return a, fmt.Errorf("reading who replicates to the place: %w", err)
	}
	return a, nil
}

func putAbout(ctx context.Context, place eventlog.Blobs, a About) error {
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return place.Put(ctx, aboutKey, append(raw, '\n'))
}
