package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Genesis is the chain's hash of an empty log.
var Genesis = strings.Repeat("0", 2*sha256.Size)

// ErrChainBroken means that a manifest does not follow on the log before it: one of them was changed,
// exchanged or left out after it was written.
var ErrChainBroken = errors.New("the chain of the log is broken")

// Hash returns the chain's hash of the log that ends with this segment, given that of the log before it. It
// covers every field of every manifest, and their objects by their digests, so it stands for all events.
func (m *Manifest) Hash(before string) string {
	alone := *m
	alone.Previous = ""
	encoded, err := json.Marshal(&alone)
	if err != nil {
		panic(fmt.Sprintf("encoding a manifest: %v", err)) // its fields are numbers, strings and instants
	}
	sum := sha256.Sum256(append([]byte(before+"\n"), encoded...))
	return hex.EncodeToString(sum[:])
}

// Chained returns the chain's hash of the log that ends with this segment, as far as the manifest itself
// tells; "" for a manifest from before the chain.
func (m *Manifest) Chained() string {
	if m.Previous == "" {
		return ""
	}
	return m.Hash(m.Previous)
}

// Chain follows the chain of a log from its first manifest on. Manifests written before there was a chain
// name no previous hash; the next one that does covers them too.
type Chain struct {
	Hash    string // of the log so far; "" is an empty log
	Since   uint64 // first number of the first segment that names the previous hash; 0: none does
	Without int    // manifests without a previous hash
}

// Add follows the next manifest. If it fails with ErrChainBroken, the chain goes on from what the manifest
// says.
func (c *Chain) Add(m *Manifest) (err error) {
	before := c.Hash
	if before == "" {
		before = Genesis
	}
	switch m.Previous {
	case "":
		c.Without++
	case before:
	default:
		err = fmt.Errorf("%w at segment %d: it follows on a log with the hash %.12s, the log before it has %.12s", ErrChainBroken, m.First, m.Previous, before)
		before = m.Previous
	}
	if m.Previous != "" && c.Since == 0 {
		c.Since = m.First
	}
	c.Hash = m.Hash(before)
	return err
}

// ChainOf returns the chain of the log up to a number that a segment ends with. It reads every manifest.
func ChainOf(ctx context.Context, ledger Ledger, upTo uint64) (Chain, error) {
	c := Chain{Hash: Genesis}
	err := (&Reader{Ledger: ledger}).Manifests(ctx, 0, upTo, c.Add)
	return c, err
}

// next returns what the next manifest has to name. A log that ends with a manifest from before the chain is
// read as a whole, once: the manifest that comes next makes the head know its hash.
func (h *Head) next(ctx context.Context, ledger Ledger) (string, error) {
	switch {
	case h.Number == 0:
		return Genesis, nil
	case h.Chain != "":
		return h.Chain, nil
	}
	c, err := ChainOf(ctx, ledger, h.Number)
	return c.Hash, err
}

// Follows reports whether a manifest may be committed behind the head, as far as the chain tells. Every
// ledger asks it in the transaction of the commit.
func (h *Head) Follows(m *Manifest) bool {
	return h.Chain == "" || m.Previous == h.Chain
}

// checkPrevious refuses what is not a hash.
func (m *Manifest) checkPrevious() error {
	if sum, err := hex.DecodeString(m.Previous); m.Previous != "" && (err != nil || len(sum) != sha256.Size) {
		return fmt.Errorf("the hash of the log before it is %.70q", m.Previous)
	}
	return nil
}
