package projection

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"gakushoku/internal/engine/projection/rowjson"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Step is the outcome of one event.
type Step int

// The event is applied; the row already has it; the row lacks one before it; or its stream is parked, by this
// event or an earlier one.
const (
	Applied Step = iota
	Duplicate
	Gap
	SetAside
)

// Fold is a row while events are applied to it. Delivery, healing, verification and bulk replay all advance
// rows through it; they differ in where a row starts and where it goes.
type Fold struct {
	Row     model.Row
	Version uint64  // of the last event in the row; 0: none
	Parked  *Parked // set if the stream is parked
	// Spoiled means that Row has the event that parked the stream. Only folding the stream again, without that
	// event, makes the row that is to be kept.
	Spoiled bool
}

// Next returns what Apply would do with an event of this version, judging by the version alone.
func (f *Fold) Next(version uint64) Step {
	switch {
	case version <= f.Version:
		return Duplicate
	case f.Parked != nil:
		return SetAside
	case version != f.Version+1:
		return Gap
	}
	return Applied
}

// Apply applies the next event; of a tombstone only the version. An event that cannot be applied, or after which the row would add more to
// totals than they have room for, parks the stream, with now as the time. The Fold keeps no memory of the
// event.
func (f *Fold) Apply(e *event.Event, now event.Instant) Step {
	step := f.Advance(e, now)
	if step != Applied {
		return step
	}
	if err := CheckAmounts(f.Row.Contributions()); err != nil {
		f.Version, f.Spoiled = e.Version-1, true
		return f.park(e, err, now)
	}
	return Applied
}

// Advance is Apply for a bulk replay, which checks the amounts of a row only once, at its end.
func (f *Fold) Advance(e *event.Event, now event.Instant) Step {
	if step := f.Next(e.Version); step != Applied {
		return step
	}
	if !tombstone.Is(e) {
		if err := applyRow(f.Row, e); err != nil {
			return f.park(e, err, now)
		}
	}
	f.Version = e.Version
	return Applied
}

func (f *Fold) park(e *event.Event, reason error, now event.Instant) Step {
	f.Parked = &Parked{EventID: strings.Clone(e.ID), EventVersion: e.Version, Reason: strings.Clone(reason.Error()), Since: now, Attempts: 1}
	return SetAside
}

// CheckAmounts fails if a row adds more to totals than they have room for.
func CheckAmounts(added []model.Contribution) error {
	for _, c := range added {
		if c.Amount > model.MaxAmount || c.Amount < -model.MaxAmount {
			return fmt.Errorf("the row would add %d to %s of %s: totals have no room for it", c.Amount, c.Field, c.Key)
		}
	}
	return nil
}

// applyRow turns a panic of the projection into an error, so that an event the projection was not written for
// affects only its own stream.
func applyRow(row model.Row, e *event.Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the fold panicked: %v", r)
		}
	}()
	return row.Apply(e)
}

// Contributions returns what the row adds to totals.
func (f *Fold) Contributions() []model.Contribution {
	if f.Version == 0 {
		return nil
	}
	return f.Row.Contributions()
}

// Record returns a stream's row as a table stores it after that many writes.
func (f *Fold) Record(stream string, writes uint64) Record {
	r := Record{Stream: stream, Version: f.Version, Writes: writes, Parked: f.Parked}
	if f.Version > 0 {
		r.Data, r.Place = rowjson.Append(nil, f.Row), f.Row.Place()
	}
	if f.Version > 0 && f.Parked == nil {
		r.Task = taskOf(f.Row)
	}
	return r
}

// Folding is a Fold that starts from a stored row, or from none, and knows what must be written.
type Folding struct {
	Fold
	definition model.Projection
	stored     Record
	before     []model.Contribution
}

// StartFolding starts from a stored row; a Record with only its Stream set stands for no row. It fails if the
// row cannot be read.
func StartFolding(d model.Projection, stored Record) (*Folding, error) {
	f := &Folding{Fold: Fold{Row: d.NewRow(), Version: stored.Version, Parked: stored.Parked}, definition: d, stored: stored}
	if stored.Version == 0 {
		return f, nil
	}
	if err := json.Unmarshal(stored.Data, f.Row); err != nil {
		return nil, fmt.Errorf("the stored row of %s cannot be read: %w", stored.Stream, err)
	}
	f.before = f.Row.Contributions()
	return f, nil
}

// FoldHistory folds a stream from its beginning, up to the first event that cannot be applied.
func FoldHistory(d model.Projection, history []event.Event, now event.Instant) *Fold {
	f := &Fold{Row: d.NewRow()}
	for i := range history {
		if f.Apply(&history[i], now) == Applied {
			continue
		}
		if f.Spoiled {
			parked := f.Parked
			f = FoldHistory(d, history[:i], now)
			f.Parked = parked
		}
		break
	}
	return f
}

// Refold folds the stream from its beginning instead, but remembers what the stored row contributes to totals.
// If the event that parks the stream had parked it before, it keeps the first time and counts the attempt.
func (f *Folding) Refold(history []event.Event, now event.Instant) {
	f.Fold = *FoldHistory(f.definition, history, now)
	if before := f.stored.Parked; before != nil && f.Parked != nil && f.Parked.EventVersion == before.EventVersion {
		f.Parked.Since, f.Parked.Attempts = before.Since, before.Attempts+1
	}
}

// Record returns the current row. It keeps what was tried if there is no newer version.
func (f *Folding) Record() Record {
	r := f.Fold.Record(f.stored.Stream, f.stored.Writes)
	if r.Version == f.stored.Version && r.Task != nil && r.Task.Same(f.stored.Task) {
		r.Task.Tried = f.stored.Task.Tried
	}
	return r
}

// Change returns the write that brings the table up to the current row; false if the table already has it.
func (f *Folding) Change() (Change, bool) {
	r := f.Record()
	if r.Version == f.stored.Version && bytes.Equal(r.Data, f.stored.Data) && r.Place == f.stored.Place && sameParking(r.Parked, f.stored.Parked) &&
		r.Task.Same(f.stored.Task) {
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

// Differences returns what must be added to totals when a row's contributions change from before to after. It
// omits unchanged fields.
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
