// Package subject keeps what can name a person readable only as long as that person wants: it is encrypted
// under a key of the person, the subject, that lies outside of events, log and backups of them. To erase a
// subject is to destroy the key. infra/DESIGN.md section 16 and decision 22 have the whole.
package subject

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gakushoku/internal/event"
)

// KeyBytes is the size of a key: AES-256.
const KeyBytes = 32

// Key is the key of one subject.
type Key [KeyBytes]byte

// Errors of Keys.
var (
	// ErrErased means that the subject's key was destroyed. It never gets another one.
	ErrErased = errors.New("the subject was erased")
	// ErrNoKey means that the subject has never had a key.
	ErrNoKey = errors.New("the subject has no key")
	// ErrLost means that the keys of all subjects were lost, or exchanged for others.
	ErrLost = errors.New("the keys of subjects (keys.db) are not those that were there before: put them back")
	// ErrUnreadable means that the key does not fit what is encrypted.
	ErrUnreadable = errors.New("what is encrypted was changed, or under another key")
)

// Tombstone is what is left of an erased subject.
type Tombstone struct {
	Subject string        `json:"subject"`
	At      event.Instant `json:"at"`
}

// Keys is the port to the keys of subjects. Retryable errors are wrapped with fault.Unavailable.
type Keys interface {
	// Key returns a subject's key. It fails with ErrErased or ErrNoKey.
	Key(ctx context.Context, subject string) (Key, error)
	// Add gives a subject its key, unless it has one, and returns the one it has. It fails with ErrErased.
	Add(ctx context.Context, subject string, key Key) (Key, error)
	// Erase destroys a subject's key, and leaves a tombstone, also where there was no key. It returns the
	// tombstone, which an earlier call may have left, and whether this call has left it.
	Erase(ctx context.Context, subject string, at event.Instant) (Tombstone, bool, error)
	// Erased returns all tombstones, in the order of subjects.
	Erased(ctx context.Context) ([]Tombstone, error)
}

// Record is what is kept of one subject: its key, or since when it is erased.
type Record struct {
	Subject  string        `json:"subject"`
	Key      []byte        `json:"key,omitempty"`
	ErasedAt event.Instant `json:"erasedAt,omitzero"`
}

// Lister is the port to all keys at once, for backups.
type Lister interface {
	// All returns the keys and tombstones of all subjects, in the order of subjects.
	All(ctx context.Context) ([]Record, error)
}

// Origin is what can name a person about who sent a command.
type Origin struct {
	Name    string `json:"name,omitempty"`    // as the identity provider gave it
	Address string `json:"address,omitempty"` // on the net
	Program string `json:"program,omitempty"` // User-Agent
	Words   string `json:"words,omitempty"`   // that the caller has chosen freely, such as a reason
}

// The bounds of an Origin, so that an event stays small.
const (
	maxName    = 128
	maxAddress = 64
	maxProgram = 160
	maxWords   = 200
)

// clip bounds a text without cutting a character.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// Box encrypts and decrypts origins. It is safe for concurrent use.
type Box struct {
	Keys Keys
	Now  func() time.Time

	mu    sync.Mutex
	known map[string]cached
}

// cached is a subject's cipher, or that there is none.
type cached struct {
	aead  cipher.AEAD
	err   error
	until time.Time
}

// The cache of keys: a process may use an erased key for that long, for what cannot be read any more.
const (
	cacheFor = time.Minute
	cacheMax = 4096
)

// version begins each text, so that another cipher can follow.
const version = "1."

// Seal returns an origin encrypted under the key of a subject, which is made at the first use. It returns ""
// for an empty origin and for an erased subject.
func (b *Box) Seal(ctx context.Context, subject string, o Origin) (string, error) {
	if o == (Origin{}) {
		return "", nil
	}
	aead, err := b.cipher(ctx, subject, true)
	if errors.Is(err, ErrErased) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("encrypting who sent a command: %w", err)
	}
	plain, err := encode(o, aead)
	if err != nil {
		return "", fmt.Errorf("encrypting who sent a command: %w", err)
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce) //nolint:errcheck // it never fails
	return version + base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(subject))), nil
}

// encode returns an origin as JSON that is encrypted to at most event.MaxOriginBytes: the program gives way to the rest.
func encode(o Origin, aead cipher.AEAD) ([]byte, error) {
	o = Origin{clip(o.Name, maxName), clip(o.Address, maxAddress), clip(o.Program, maxProgram), clip(o.Words, maxWords)}
	most := base64.RawURLEncoding.DecodedLen(event.MaxOriginBytes-len(version)) - aead.NonceSize() - aead.Overhead()
	for {
		var plain bytes.Buffer
		enc := json.NewEncoder(&plain)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(o); err != nil || plain.Len() <= most {
			return plain.Bytes(), err
		}
		for _, text := range []*string{&o.Program, &o.Name, &o.Words, &o.Address} {
			if *text != "" {
				*text = clip(*text, len(*text)/2)
				break
			}
		}
	}
}

// Open decrypts what Seal returned for a subject. It fails with ErrErased or ErrNoKey when the key is gone.
func (b *Box) Open(ctx context.Context, subject, sealed string) (o Origin, err error) {
	if sealed == "" {
		return o, nil
	}
	text, found := strings.CutPrefix(sealed, version)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if !found || err != nil {
		return o, fmt.Errorf("%w: %s, %.20q", ErrUnreadable, subject, sealed)
	}
	aead, err := b.cipher(ctx, subject, false)
	if err != nil {
		return o, err
	}
	if len(raw) < aead.NonceSize() {
		return o, fmt.Errorf("%w: %s, it is cut off", ErrUnreadable, subject)
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(subject))
	if err == nil {
		err = json.Unmarshal(plain, &o)
	}
	if err != nil {
		return o, fmt.Errorf("%w: %s: %w", ErrUnreadable, subject, err)
	}
	return o, nil
}

// cipher returns the cipher of a subject, from memory if it was used lately.
func (b *Box) cipher(ctx context.Context, subject string, add bool) (cipher.AEAD, error) {
	now := b.Now()
	b.mu.Lock()
	c, ok := b.known[subject]
	b.mu.Unlock()
	if ok && now.Before(c.until) && (c.err == nil || errors.Is(c.err, ErrErased)) {
		return c.aead, c.err
	}
	key, err := b.Keys.Key(ctx, subject)
	if errors.Is(err, ErrNoKey) && add {
		key, err = NewKey(ctx, b.Keys, subject)
	}
	if err != nil && !errors.Is(err, ErrErased) {
		return nil, err
	}
	c = cached{err: err, until: now.Add(cacheFor)}
	if err == nil {
		if c.aead, err = aeadOf(key); err != nil {
			return nil, err
		}
	}
	b.remember(subject, c)
	return c.aead, c.err
}

// NewKey gives a subject a random key, unless it has one, and returns the one it has.
func NewKey(ctx context.Context, keys Keys, subject string) (key Key, err error) {
	rand.Read(key[:]) //nolint:errcheck // it never fails
	return keys.Add(ctx, subject, key)
}

func aeadOf(key Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (b *Box) remember(subject string, c cached) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil || len(b.known) >= cacheMax {
		b.known = map[string]cached{}
	}
	b.known[subject] = c
}

// Forget drops a subject's key from memory.
func (b *Box) Forget(subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, subject)
}

// Anonymous returns the subject of callers without a name, on a day: their addresses can be erased by the day.
func Anonymous(at time.Time) string { return "anonymous-" + at.UTC().Format("2006-01-02") }
