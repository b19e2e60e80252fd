package projection

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Folding is one row while events are applied to it. It is the only way in which events
// become rows: delivery, heal and replay differ in where it starts and what they do with the
// result.
type Folding struct {
	definition model.Projection
	stored     Record // as read from the table
	record     Record // with the events so far
	row        model.Row
	before     []model.Contribution
}

// StartFolding takes up the row where the table has it; with the zero Record, but for
// Stream, at a stream without events. It fails when the stored row cannot be read.
func StartFolding(d model.Projection, stored Record) (*Folding, error) {
	f := &Folding{definition: d, stored: stored, record: stored, row: d.NewRow()}
	if stored.Version == 0 {
		return f, nil
	}
	if err := json.Unmarshal(stored.Data, f.row); err != nil {
		return nil, fmt.Errorf("the stored row of %s cannot be read: %w", stored.Stream, err)
	}
	f.before = f.row.Contributions()
	return f, nil
}

// Restart forgets the events in the row, to fold the stream from its beginning, but remembers
// what the stored row contributes to totals.
func (f *Folding) Restart() {
	f.record = Record{Stream: f.stored.Stream, Writes: f.stored.Writes}
	f.row = f.definition.NewRow()
}

// Step is what came of one event.
type Step int

// An event is applied; or the row has it already; or the row lacks one before it; or its
// stream is set aside, by this event or by one before it.
const (
	Applied Step = iota
	Duplicate
	Gap
	SetAside
)

// Apply applies the next event. now is recorded when the event has to be parked.
func (f *Folding) Apply(e *event.Event, now event.Instant) Step {
	if step := NextStep(f.record.Version, f.record.Parked != nil, e.Version); step != Applied {
		return step
	}
	if err := ApplyRow(f.row, e); err != nil {
		f.park(e, err, now)
		return SetAside
	}
	f.record.Version = e.Version
	return Applied
}

// NextStep says what an event of this version means to a row that stands at another: Applied
// when it is the one to be applied next. It is the rule of Folding by itself, for a replay
// that keeps rows in its own way.
func NextStep(row uint64, parked bool, version uint64) Step {
	switch {
	case version <= row:
		return Duplicate
	case parked:
		return SetAside
	case version != row+1:
		return Gap
	}
	return Applied
}

// ApplyRow applies the next event to a row. It turns a panic of the fold into an error: one
// event that a fold was not written for must cost its own stream, not every stream behind it.
func ApplyRow(row model.Row, e *event.Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the fold panicked: %v", r)
		}
	}()
	return row.Apply(e)
}

// park sets the stream aside. An event that was parked before keeps its first time and
// counts the attempt.
func (f *Folding) park(e *event.Event, reason error, now event.Instant) {
	parked := &Parked{EventID: e.ID, EventVersion: e.Version, Reason: reason.Error(), Since: now, Attempts: 1}
	if before := f.stored.Parked; before != nil && before.EventVersion == e.Version {
		parked.Since = before.Since
		parked.Attempts = before.Attempts + 1
	}
	f.record.Parked = parked
}

// Version is the version of the last event in the row.
func (f *Folding) Version() uint64 { return f.record.Version }

// Contributions is what the row as it is now adds to totals.
func (f *Folding) Contributions() []model.Contribution {
	if f.record.Version == 0 {
		return nil
	}
	return f.row.Contributions()
}

// Record is the row as it is now, ready to be stored.
func (f *Folding) Record() Record {
	r := f.record
	if r.Version == 0 {
		return r
	}
	r.Data, r.Place = f.row.AppendJSON(nil), f.row.Place()
	return r
}

// Change is what has to be written to bring the table to the row as it is now; false when
// the table has it already.
func (f *Folding) Change() (Change, bool) {
	r := f.Record()
	if r.Version == f.stored.Version && bytes.Equal(r.Data, f.stored.Data) && r.Place == f.stored.Place && sameParking(r.Parked, f.stored.Parked) {
		return Change{}, false
	}
	return Change{Record: r, Expected: f.stored.Writes, Totals: Differences(f.before, f.Contributions())}, true
}

func sameParking(a, b *Parked) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Differences is what has to be added to totals when a row that contributed before now
// contributes after. Fields that stay as they are do not come up.
func Differences(before, after []model.Contribution) []model.Contribution {
	var sums []model.Contribution
	add := func(c model.Contribution, sign int64) {
		for i := range sums {
			if sums[i].Key == c.Key && sums[i].Field == c.Field {
				sums[i].Amount += sign * c.Amount
				return
			}
		}
		sums = append(sums, model.Contribution{Key: c.Key, Field: c.Field, Amount: sign * c.Amount})
	}
	for _, c := range before {
		add(c, -1)
	}
	for _, c := range after {
		add(c, 1)
	}
	changed := sums[:0]
	for _, c := range sums {
		if c.Amount != 0 {
			changed = append(changed, c)
		}
	}
	return changed
}
