// Package model is what a domain hands to the engine, as pure types: the rows of a projection, what
// they add to totals and where lists show them. The engine knows these and no domain.
package model

import "gakushoku/internal/event"

// Row is one stream's events folded into what a reader wants to see. Its zero value is a
// stream without events; its JSON is what is stored and served. It is a pointer to a struct of integers,
// booleans, strings, instants, structs and slices: encoding, packing and comparing follow from that.
type Row interface {
	// Apply changes the row by one event, the next of its stream. An event type that is not
	// for this row leaves it as it is. An error says that the event cannot be applied, now or
	// ever: the row is unchanged. A row outlives the event: strings that it keeps of one must
	// be cloned, so that a replay does not hold on to whole pages of the log.
	Apply(e *event.Event) error
	// Contributions is what the row adds to totals, no amount beyond MaxAmount.
	Contributions() []Contribution
	// Place says where lists show the row.
	Place() Place
}

// Contribution is an amount that a row adds to one field of the total called Key.
type Contribution struct {
	Key    string // such as a business day, 2026-01-24
	Field  string // such as paid
	Amount int64
}

// Add is the Contribution of an amount to one field of a total.
func Add(key, field string, amount int64) Contribution {
	return Contribution{Key: key, Field: field, Amount: amount}
}

// MaxAmount bounds what a row may add to a field of a total, either way. The sum of nine million such
// rows fits 64 bits, so totals need no check each time something is added to them; a fold refuses an
// event that would lead beyond it.
const MaxAmount = 1_000_000_000_000

// Place sorts rows in lists: all rows of a bucket (a business day), newest first by Sort.
// Both are fixed by a stream's first event, so that an index over them costs one write a row.
type Place struct {
	Bucket string
	Sort   string
}
