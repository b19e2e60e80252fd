// Package model defines the pure types that a domain hands to the engine: deciders, and projections with
// their rows, contributions and places in lists. The engine knows these types but no domain.
package model

import "gakushoku/internal/event"

// Row is one stream's events folded into what a reader wants to see. Its zero value is a stream without
// events. It must be a pointer to a struct of integers, booleans, strings, instants, structs and slices:
// encoding, packing and comparing follow from that. Its JSON is stored and served.
type Row interface {
	// Apply changes the row by one event, the next of its stream. It ignores types of events that do not
	// concern the row. An error means that the event can never be applied; the row is then unchanged.
	// The row outlives the event, so Apply must clone strings that it keeps: otherwise a replay would
	// retain whole pages of the log.
	Apply(e *event.Event) error
	// Contributions returns what the row adds to totals. An event after which an amount exceeds MaxAmount parks
	// its stream.
	Contributions() []Contribution
	// Place returns where lists show the row.
	Place() Place
}

// Contribution is an amount that a row adds to one field of the total named Key.
type Contribution struct {
	Key    string // such as a business day, 2026-01-24
	Field  string // such as paid
	Amount int64
}

// Add returns the Contribution of an amount to one field of a total.
func Add(key, field string, amount int64) Contribution {
	return Contribution{Key: key, Field: field, Amount: amount}
}

// MaxAmount bounds the absolute amount that a row may add to a field of a total. The sum of nine million
// such rows fits in 64 bits, so adding to totals needs no overflow check. The engine holds rows to it.
const MaxAmount = 1_000_000_000_000

// Place determines a row's position in lists: all rows of a bucket (a business day), newest first by Sort.
// A stream's first event fixes both, so an index over them costs one write per row.
type Place struct {
	Bucket string
	Sort   string
}
