package rebuild

import (
	"path"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Run is a run as it goes from step to step: small, and readable in the console. What is
// large lies in blobs, whose keys it has.
type Run struct {
	ID          string        `json:"runId"`
	Projection  string        `json:"projection"`
	Mode        Mode          `json:"mode"`
	Request     Request       `json:"request"`
	StartedAt   event.Instant `json:"startedAt"`
	FromVersion int           `json:"fromVersion"`         // the active one at the start, or when it was compared with the new one
	ToVersion   int           `json:"toVersion,omitempty"` // the one that is made
	Revision    int           `json:"revision"`            // of the fold that fills it
	Step        Step          `json:"step"`                // the last one that was done

	Plan    *Planned  `json:"plan,omitempty"`
	Replay  *Replayed `json:"replay,omitempty"`
	CatchUp *CaughtUp `json:"catchUp,omitempty"`
	Verify  *Verified `json:"verify,omitempty"`
	Heal    *Healed   `json:"heal,omitempty"`
	// Replaced is the version that readers saw until the switch: another than FromVersion after a
	// rollback meanwhile. 0 when it is gone, since it could not be read.
	Replaced int `json:"replacedVersion,omitempty"`
	// SwitchedAt is since when the run's version is the active one, as the pointer says.
	SwitchedAt event.Instant `json:"switchedAt,omitzero"`
	Dropped    []int         `json:"droppedVersions,omitempty"`
	Waits      WaitTimes     `json:"waits"`
	Took       *Durations    `json:"took,omitempty"`
}

// WaitTimes are how long the driver waits between steps, in seconds.
type WaitTimes struct {
	Join int64 `json:"joinSeconds"` // after Join, until nobody is left who does not know the new version
	Soak int64 `json:"soakSeconds"` // after Switch
}

// Durations are how long steps took, in milliseconds, by their names.
type Durations map[Step]int64

// Planned is the work list.
type Planned struct {
	Watermark uint64 `json:"watermark"` // the log's head that the replay goes to
	Events    int64  `json:"events"`    // in the log up to there
	Bytes     int64  `json:"bytes"`     // compressed
	Segments  int64  `json:"segments"`
	Parts     int    `json:"parts"`
	Key       string `json:"key"` // of the work list: a JSON array of Item

	MaxConcurrency int `json:"maxConcurrency"`
}

// Item is one part of the replay: an element of the work list.
type Item struct {
	Part   string `json:"part"`   // its name
	Work   string `json:"work"`   // key of its Work
	Events int64  `json:"events"` // that it has to read
}

// Replayed is what all parts of a replay did together.
type Replayed struct {
	Rows         int64    `json:"rows"`
	Applied      int64    `json:"applied"`
	Duplicates   int64    `json:"duplicates,omitempty"`
	Parked       int      `json:"parked"`
	ParkedSample []string `json:"parkedSample,omitempty"` // some of them, with the reason
	Gaps         int      `json:"gaps"`
	RowBytes     int64    `json:"rowBytes"`         // of the rows' JSON
	LargestPart  int64    `json:"largestPartBytes"` // memory that the rows of the largest part took
	SlowestMs    int64    `json:"slowestPartMs"`    // of the parts

	Estimate *Estimate `json:"estimate,omitempty"` // of a dry run: what it would take on AWS
}

// CaughtUp is how far CatchUp has come.
type CaughtUp struct {
	Number uint64 `json:"number"` // of the last event that was applied
	Events int64  `json:"events"`
	Healed int    `json:"healed"` // streams that had a gap at the watermark
	Rounds int    `json:"rounds"`
	Done   bool   `json:"done"`
}

// Verified is the outcome of the verification.
type Verified struct {
	Parts       []VerifyItem  `json:"parts,omitempty"`  // into which it is divided
	Report      string        `json:"report,omitempty"` // key of the whole report
	Rows        int64         `json:"rows"`
	Streams     int64         `json:"streams"`
	Events      int64         `json:"events"`
	Healed      int64         `json:"healed"`    // rows that live delivery had not brought in
	Different   int64         `json:"different"` // rows that are not what the events say
	Parked      int64         `json:"parked"`
	WrongTotals int           `json:"wrongTotals"`
	Sound       bool          `json:"sound"`
	Old         OldAgainstNew `json:"oldAgainstNew"`
}

// OldAgainstNew says what the rebuild changes for readers.
type OldAgainstNew struct {
	Same    int64 `json:"same"`
	Changed int64 `json:"changed"`
	OnlyOld int64 `json:"onlyOld"`
	OnlyNew int64 `json:"onlyNew"`
	Moving  int64 `json:"moving,omitempty"` // rows that were written in between

	// Unreadable says why nothing was compared: the old version is missing or damaged.
	Unreadable string `json:"unreadable,omitempty"`

	Sample []string `json:"sample,omitempty"` // a few rows that changed, and in what; the report has more
}

// Healed is what a run over single streams did.
type Healed struct {
	Streams  int   `json:"streams"`
	Versions []int `json:"versions"` // in which they were healed
	Parked   int   `json:"parked"`   // of the streams, in the active version, afterwards
	// Missing are rows that there are not, in all versions, and that were not made: totals have their
	// share still, or are wrong.
	Missing int `json:"missing,omitempty"`
	// Disputed are rows that were left alone, in all versions: the event store and the log do not
	// have the same events of their streams.
	Disputed       int      `json:"disputed,omitempty"`
	DisputedSample []string `json:"disputedSample,omitempty"`

	Done bool `json:"done"`
	Next int  `json:"next,omitempty"` // where to go on
}

// Table is the table version that the run makes.
func (r *Run) Table() projection.Table {
	return projection.Table{Projection: r.Projection, Version: r.ToVersion}
}

// key names a blob of the run.
func (r *Run) key(parts ...string) string {
	return path.Join(append([]string{"runs", r.Projection, r.ID}, parts...)...)
}
