// Package projection is the engine that turns events into rows: it skips duplicates, heals
// gaps, parks what cannot be applied, and keeps totals exact. Live delivery, catch-up and
// repair all call it; a projection itself is pure and lives in package readmodel. infra/DESIGN.md
// section 6 is the specification.
package projection

import (
	"fmt"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Table is one version of a projection's stored rows and totals.
type Table struct {
	Projection string
	Version    int // 1, 2, 3...; never used twice
}

// String is the table's name in logs and stores, such as "loans-v1".
func (t Table) String() string { return fmt.Sprintf("%s-v%d", t.Projection, t.Version) }

// Record is one stored row.
type Record struct {
	Stream  string // the stream the row is folded from: its key
	Version uint64 // the version of the last event in the row; 0 when it was parked before any
	Writes  uint64 // how often the row was written: what a conditional write compares
	Data    []byte // the row's JSON; nil at version 0
	Place   model.Place
	Parked  *Parked // set when the stream is set aside
}

// Visible reports whether readers may see the row.
func (r *Record) Visible() bool { return r != nil && r.Version > 0 }

// Parked says why a stream was set aside in one projection: an event that cannot be applied.
type Parked struct {
	EventID      string        `json:"eventId"`
	EventVersion uint64        `json:"eventVersion"`
	Reason       string        `json:"reason"`
	Since        event.Instant `json:"since"`
	Attempts     int           `json:"attempts"`
}

// Change is one row to be written, with what it does to totals.
type Change struct {
	Record
	Expected uint64               // the Writes of the row that was read, 0 when there was none
	Totals   []model.Contribution // differences to add; none when totals stay as they are
}
