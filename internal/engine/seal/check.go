package seal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
)

// Kind is a kind of problem.
type Kind string

// The kinds of problems.
const (
	ChainBroken Kind = "chainBroken" // a manifest does not follow on the log before it
	WrongHead   Kind = "wrongHead"   // the head has another hash than the chain
	SealInvalid Kind = "sealInvalid" // a seal was changed, or no trusted key has signed it
	SealDiffers Kind = "sealDiffers" // the log is not the one that was sealed
	SealMissing Kind = "sealMissing" // a seal that is known to have been beside the log is gone
	LogCut      Kind = "logCut"      // a seal covers events that the log does not have
)

// Problem is one finding.
type Problem struct {
	Kind   Kind   `json:"kind"`
	Number uint64 `json:"number"` // of the event up to which the log concerned reaches
	Detail string `json:"detail"`
}

// maxProblems bounds the problems that are described; the others are only counted.
const maxProblems = 100

// Report is what a check found.
type Report struct {
	Head     eventlog.Head `json:"head"`
	Since    uint64        `json:"chainedSince,omitempty"` // first number of the first segment that names the hash before it
	Without  int           `json:"unchained,omitempty"`    // segments without it, from before the chain
	Seals    int           `json:"checkpoints"`            // that were checked
	Newest   *Seal         `json:"newestCheckpoint,omitempty"`
	Unsealed uint64        `json:"unsealed"` // events after the newest valid seal
	Total    int           `json:"total"`    // problems
	Problems []Problem     `json:"problems,omitempty"`

	keys Keys
	own  uint64 // number of the newest valid seal beside the log
}

func (r *Report) add(kind Kind, number uint64, format string, args ...any) {
	if r.Total++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{kind, number, fmt.Sprintf(format, args...)})
	}
}

// Check compares the log with the seals.
type Check struct {
	Ledger eventlog.Ledger
	// Places are where seals are: beside the log, and where copies of them went.
	Places []eventlog.BlobReader
	// Trust returns the public keys that are trusted. It is called when there are seals.
	Trust func(context.Context) (Keys, error)
	// Expected returns what is known of the seals beside the log, the first of Places, without looking there; nil:
	// nothing.
	Expected func(context.Context) (Expected, error)

	mu     sync.Mutex
	fitted eventlog.Head // that Trusted has found to fit
}

// All follows the chain from the first manifest to the head, and compares it with every seal. An error
// means that the check could not be completed.
func (c *Check) All(ctx context.Context) (*Report, error) {
	return c.report(ctx, c.seals, (*Report).overdue)
}

// Newest is All for the newest valid seal of each place only, which covers what those before it cover.
func (c *Check) Newest(ctx context.Context) (*Report, error) {
	return c.report(ctx, c.newest, nil)
}

func (c *Check) report(ctx context.Context, find func(context.Context, *Report) (map[uint64][]*Seal, error), more func(*Report, *Expected)) (*Report, error) {
	r := &Report{}
	var expected Expected
	var err error
	if c.Expected != nil { // before the seals: it is noted after them
		expected, err = c.Expected(ctx)
	}
	// The seals before the head: the log is then at least as long as they say.
	var seals map[uint64][]*Seal
	if err == nil {
		seals, err = find(ctx, r)
	}
	if err == nil {
		r.Head, err = c.Ledger.Head(ctx)
	}
	if err == nil {
		err = c.walk(ctx, r, seals, &expected)
	}
	if err == nil {
		r.missing(&expected)
		if more != nil {
			more(r, &expected)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("comparing the log with its seals: %w", err)
	}
	return r, nil
}

// seals reads the seals of all places, by their numbers.
func (c *Check) seals(ctx context.Context, r *Report) (map[uint64][]*Seal, error) {
	found := map[uint64][]*Seal{}
	for i, place := range c.Places {
		err := all(ctx, place, "", func(key string) error {
			_, err := c.take(ctx, r, i, key, found)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// take reads a seal. If it is not valid, that is a problem.
func (c *Check) take(ctx context.Context, r *Report, place int, key string, found map[uint64][]*Seal) (valid bool, err error) {
	if r.keys == nil {
		if r.keys, err = c.Trust(ctx); err != nil {
			return false, err
		}
	}
	s, err := r.keys.read(ctx, c.Places[place], key)
	if cannotTell(ctx, err) {
		return false, err
	}
	r.Seals++
	if err != nil {
		number, _ := numberOf(key)
		r.add(SealInvalid, number, "%v", err)
		return false, nil
	}
	found[s.Number] = append(found[s.Number], s)
	if place == 0 {
		r.own = max(r.own, s.Number)
	}
	return true, nil
}

// cannotTell reports whether an error says nothing about a seal.
func cannotTell(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || fault.ClassOf(err) == fault.Infra)
}

// newest reads the newest valid seal of each place. Invalid ones after it are problems.
func (c *Check) newest(ctx context.Context, r *Report) (map[uint64][]*Seal, error) {
	found := map[uint64][]*Seal{}
	for i, place := range c.Places {
		var keys []string
		if err := all(ctx, place, "", func(key string) error { keys = append(keys, key); return nil }); err != nil {
			return nil, err
		}
		for valid := false; len(keys) > 0 && !valid; keys = keys[:len(keys)-1] {
			var err error
			if valid, err = c.take(ctx, r, i, keys[len(keys)-1], found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// walk follows the chain, and compares it with the seals on the way.
func (c *Check) walk(ctx context.Context, r *Report, seals map[uint64][]*Seal, expected *Expected) error {
	var chain eventlog.Chain
	segments := uint64(0)
	err := (&eventlog.Reader{Ledger: c.Ledger}).Manifests(ctx, 0, r.Head.Number, func(m *eventlog.Manifest) error {
		if err := chain.Add(m); err != nil {
			r.add(ChainBroken, m.First, "%v", err)
		}
		segments++
		expected.covers(m)
		r.compare(seals[m.Last], &chain, segments)
		delete(seals, m.Last)
		return nil
	})
	if err != nil && !cannotTell(ctx, err) {
		r.add(ChainBroken, r.Head.Number, "%v", err)
		err = nil
	}
	if r.Since, r.Without = chain.Since, chain.Without; r.Head.Chain != "" && r.Head.Chain != chain.Hash {
		r.add(WrongHead, r.Head.Number, "the head has the hash %.12s, the chain leads to %.12s", r.Head.Chain, chain.Hash)
	}
	for number, left := range seals {
		for _, s := range left {
			if number > r.Head.Number {
				r.add(LogCut, number, "the log ends with event %d, and had event %d when it was sealed at %s", r.Head.Number, number, s.At)
			} else {
				r.add(SealDiffers, number, "no segment ends with event %d, as one did when it was sealed at %s", number, s.At)
			}
			r.note(s)
		}
	}
	if r.Unsealed = r.Head.Number; r.Newest != nil {
		r.Unsealed -= min(r.Unsealed, r.Newest.Number)
	}
	return err
}

func (r *Report) compare(seals []*Seal, chain *eventlog.Chain, segments uint64) {
	for _, s := range seals {
		if s.Chain != chain.Hash || s.Segments != segments {
			r.add(SealDiffers, s.Number, "the log up to event %d is not the one that was sealed at %s: its hash is %.12s in %d segments, it was %.12s in %d",
				s.Number, s.At, chain.Hash, segments, s.Chain, s.Segments)
		}
		r.note(s)
	}
}

// note remembers the newest seal.
func (r *Report) note(s *Seal) {
	if r.Newest == nil || s.Number > r.Newest.Number {
		r.Newest = s
	}
}

// ErrContradicted means that the log is not the one that was sealed: nothing may be repaired from it.
var ErrContradicted = errors.New("the log contradicts its signed checkpoints, so nothing is repaired from it or from the event store: see `gakushoku audit verify`")

// Trusted fails with ErrContradicted if the log is not the one that the newest seal covers. It looks again
// when the head has moved.
func (c *Check) Trusted(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	head, err := c.Ledger.Head(ctx)
	if err != nil || head.Number > 0 && head == c.fitted {
		return err
	}
	r, err := c.Newest(ctx)
	if err != nil {
		return err
	}
	if err = r.trusted(); err == nil {
		c.fitted = head
	}
	return err
}

// trusted returns an error if there are problems.
func (r *Report) trusted() error {
	if r.Total == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrContradicted, r.Problems[0].Detail)
}
