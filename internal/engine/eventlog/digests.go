package eventlog

import (
	"hash/maphash"

	"gakushoku/internal/event"
)

// Digests makes digests of events, to compare those of the store with those of the log. It is
// not safe for concurrent use, but those that were copied from one make the same ones.
type Digests struct {
	seed maphash.Seed
	line []byte
}

// NewDigests makes digests that no others are like.
func NewDigests() Digests { return Digests{seed: maphash.MakeSeed()} }

// Copy makes the same digests with memory of its own.
func (d Digests) Copy() Digests { return Digests{seed: d.seed} }

// Of is the digest of an event as a line of the log; never 0.
func (d *Digests) Of(e *event.Event) uint64 {
	c := *e
	c.Schema = max(c.Schema, 1) // what is not written is read as 1
	d.line = event.AppendJSON(d.line[:0], &c)
	return max(1, maphash.Bytes(d.seed, d.line))
}
