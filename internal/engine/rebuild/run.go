package rebuild

import (
	"path"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Run is the state of a run, passed from step to step. It is small enough to read in the console; large data
// lies in blobs, whose keys it holds.
type Run struct {
	ID          string        `json:"runId"`
	Projection  string        `json:"projection"`
	Mode        Mode          `json:"mode"`
	Request     Request       `json:"request"`
	StartedAt   event.Instant `json:"startedAt"`
	FromVersion int           `json:"fromVersion"`         // active at the start, or when they were compared
	ToVersion   int           `json:"toVersion,omitempty"` // the version being built
	Revision    int           `json:"revision"`            // revision of the code that fills it
	Step        Step          `json:"step"`                // the last completed step

	Plan    *Planned  `json:"plan,omitempty"`
	Replay  *Replayed `json:"replay,omitempty"`
	CatchUp *CaughtUp `json:"catchUp,omitempty"`
	Verify  *Verified `json:"verify,omitempty"`
	Heal    *Healed   `json:"heal,omitempty"`
	// Replaced is the version that readers saw until the switch; it differs from FromVersion after a rollback
	// meanwhile. It is 0 if that version was removed because it could not be read.
	Replaced int `json:"replacedVersion,omitempty"`
	// SwitchedAt is when the run's version became the active one, according to the pointer.
	SwitchedAt event.Instant `json:"switchedAt,omitzero"`
	Dropped    []int         `json:"droppedVersions,omitempty"`
	Waits      WaitTimes     `json:"waits"`
	Took       *Durations    `json:"took,omitempty"`
}

// WaitTimes says how long the driver waits between steps, in seconds.
type WaitTimes struct {
	Join int64 `json:"joinSeconds"` // after Join, until every projector knows the new version
	Soak int64 `json:"soakSeconds"` // after Switch
}

// Durations maps steps to how long they took, in milliseconds.
type Durations map[Step]int64

// Planned describes the work list.
type Planned struct {
	Watermark uint64 `json:"watermark"` // the log's head, up to which the replay goes
	Events    int64  `json:"events"`    // events in the log up to the watermark
	Bytes     int64  `json:"bytes"`     // compressed
	Segments  int64  `json:"segments"`
	Parts     int    `json:"parts"`
	Key       string `json:"key"` // key of the work list: a JSON array of Item

	MaxConcurrency int `json:"maxConcurrency"`
}

// Item is one part of the replay: an element of the work list.
type Item struct {
	Part   string `json:"part"`   // name of the part
	Work   string `json:"work"`   // key of its Work
	Events int64  `json:"events"` // events that it has to read
}

// Replayed sums up what all parts of a replay did.
type Replayed struct {
	Rows         int64    `json:"rows"`
	Applied      int64    `json:"applied"`
	Duplicates   int64    `json:"duplicates,omitempty"`
	Parked       int      `json:"parked"`
	ParkedSample []string `json:"parkedSample,omitempty"` // some of them, with the reason
	Gaps         int      `json:"gaps"`
	RowBytes     int64    `json:"rowBytes"`         // size of the rows' JSON
	LargestPart  int64    `json:"largestPartBytes"` // memory that the largest part's rows took
	SlowestMs    int64    `json:"slowestPartMs"`    // duration of the slowest part

	Estimate *Estimate `json:"estimate,omitempty"` // of a dry run: what a real run would take on AWS
}

// CaughtUp is how far CatchUp has come.
type CaughtUp struct {
	Number uint64 `json:"number"` // number of the last event applied
	Events int64  `json:"events"`
	Healed int    `json:"healed"` // streams that had a gap at the watermark
	Rounds int    `json:"rounds"`
	Done   bool   `json:"done"`
}

// Verified is the outcome of the verification.
type Verified struct {
	Parts       []VerifyItem  `json:"parts,omitempty"`  // the parts it is divided into
	Report      string        `json:"report,omitempty"` // key of the complete report
	Rows        int64         `json:"rows"`
	Streams     int64         `json:"streams"`
	Events      int64         `json:"events"`
	Healed      int64         `json:"healed"`    // rows that live delivery had not yet written
	Different   int64         `json:"different"` // rows that do not match the events
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
	Moving  int64 `json:"moving,omitempty"` // rows that were being written during the comparison

	// Unreadable says why the versions were not compared: the old one is missing or damaged.
	Unreadable string `json:"unreadable,omitempty"`

	Sample []string `json:"sample,omitempty"` // a few changed rows and their changed fields; the report has more
}

// Healed is the outcome of a run that heals single streams.
type Healed struct {
	Streams  int   `json:"streams"`
	Versions []int `json:"versions"` // the versions in which they were healed
	Parked   int   `json:"parked"`   // streams parked in the active version afterwards
	// Missing counts the missing rows, over all versions, that were not created because the totals still
	// include their contribution or are wrong.
	Missing int `json:"missing,omitempty"`
	// Disputed counts the rows, over all versions, that were left alone because the event store and the log
	// do not have the same events for their streams.
	Disputed       int      `json:"disputed,omitempty"`
	DisputedSample []string `json:"disputedSample,omitempty"`

	Done bool `json:"done"`
	Next int  `json:"next,omitempty"` // where to continue
}

// Table returns the table version that the run builds.
func (r *Run) Table() projection.Table {
	return projection.Table{Projection: r.Projection, Version: r.ToVersion}
}

// key returns the key of one of the run's blobs.
func (r *Run) key(parts ...string) string {
	return path.Join(append([]string{"runs", r.Projection, r.ID}, parts...)...)
}
