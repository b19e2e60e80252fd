package eventlog

import (
	"hash/maphash"

	"gakushoku/internal/event"
)

// Digests makes digests of events, to compare the store with the log. It is not safe for concurrent use;
// copies make the same digests.
type Digests struct {
	seed maphash.Seed
	line []byte
}

// NewDigests returns Digests with a random seed.
func NewDigests() Digests { return Digests{seed: maphash.MakeSeed()} }

// Copy returns Digests with the same seed and their own memory.
func (d Digests) Copy() Digests { return Digests{seed: d.seed} }

// Of returns the digest of an event as a line of the log; it is never 0.
func (d *Digests) Of(e *event.Event) uint64 {
	c := *e
	c.Schema = max(c.Schema, 1) // a missing schema is read as 1
	d.line = event.AppendJSON(d.line[:0], &c)
	return max(1, maphash.Bytes(d.seed, d.line))
}
