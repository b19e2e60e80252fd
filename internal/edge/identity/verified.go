package identity

import (
	"crypto"
	"crypto/sha256"
	"sync"
	"time"

	"gakushoku/internal/observe"
)

// The bounds of what is remembered of tokens that were verified. A provider that withdraws a key is believed as
// soon as its keys are read again, whatever is remembered.
const (
	verifiedFor = 2 * time.Minute
	verifiedMax = 4096 // in each half of the memory
)

// verified remembers tokens whose signature and claims were found right, by the SHA-256 of each.
type verified struct {
	mu              sync.Mutex
	recent, earlier map[[sha256.Size]byte]verifiedToken // when recent is full, it becomes earlier
}

type verifiedToken struct {
	caller observe.Caller
	keyID  string
	key    pinned    // that signed it
	until  time.Time // the end of the token, or of the memory
}

// of returns what is remembered of a token.
func (v *verified) of(token [sha256.Size]byte, now time.Time) (known verifiedToken, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known, ok = v.recent[token]; !ok {
		known, ok = v.earlier[token]
	}
	return known, ok && now.Before(known.until)
}

// keep remembers a token that ends at a time.
func (v *verified) keep(token [sha256.Size]byte, known verifiedToken, now, ends time.Time) {
	if known.until = now.Add(verifiedFor); ends.Before(known.until) {
		known.until = ends
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.recent) >= verifiedMax || v.recent == nil {
		v.earlier, v.recent = v.recent, map[[sha256.Size]byte]verifiedToken{}
	}
	v.recent[token] = known
}

// is reports whether two keys are the same.
func (p pinned) is(other pinned) bool {
	key, ok := p.public.(interface {
		Equal(other crypto.PublicKey) bool
	})
	return ok && p.algorithm == other.algorithm && key.Equal(other.public)
}
