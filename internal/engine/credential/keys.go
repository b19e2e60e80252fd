package credential

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// KeyPrefix begins every device key, so that people and scanners of secrets recognize one.
const KeyPrefix = "gak_"

// keyBytes is the number of random bytes of a device key. So many need no slow hash: they cannot all be tried.
const keyBytes = 32

// Key describes a device key. The key itself is not stored, only its hash.
type Key struct {
	ID      string    `json:"id"`   // names the key in lists
	Name    string    `json:"name"` // of the device; several keys may have one name while one replaces another
	Role    string    `json:"role"`
	Digest  string    `json:"digest"` // SHA-256 of the key, in base64
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Live reports whether the key is accepted at a time.
func (k *Key) Live(now time.Time) bool { return k.Revoked.IsZero() && now.Before(k.Expires) }

// Digest returns the digest under which a shown key is stored.
func Digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Errors of Keys.
var (
	ErrNoKey      = errors.New("there is no key with this id")
	ErrBadKeyName = errors.New("a name is 1 to 40 of a-z, 0-9 and -, and begins with a letter")
)

var keyName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// reserved begin the names of callers that are not devices.
var reserved = []string{"guest-", "user-"}

// CheckName refuses a name that a device cannot have.
func CheckName(name string) error {
	if !keyName.MatchString(name) {
		return fmt.Errorf("%q: %w", name, ErrBadKeyName)
	}
	for _, prefix := range reserved {
		if strings.HasPrefix(name, prefix) {
			return fmt.Errorf("%q: names that begin with %s belong to other callers", name, prefix)
		}
	}
	return nil
}

// Keys are the device keys of an installation.
type Keys struct {
	Store Store
	Now   func() time.Time
}

// Create makes a key for a device and returns it with its description. It cannot be shown again.
func (k Keys) Create(ctx context.Context, name, role string, lasts time.Duration) (string, Key, error) {
	if err := CheckName(name); err != nil {
		return "", Key{}, err
	}
	raw := make([]byte, keyBytes)
	rand.Read(raw) //nolint:errcheck // it never fails
	key := KeyPrefix + base64.RawURLEncoding.EncodeToString(raw)
	now := k.Now().UTC().Truncate(time.Second)
	described := Key{ID: strings.ToLower(rand.Text()[:10]), Name: name, Role: role, Digest: Digest(key), Created: now, Expires: now.Add(lasts)}
	value, err := json.Marshal(described)
	if err != nil {
		return "", Key{}, fmt.Errorf("encoding a key: %w", err)
	}
	if err := k.Store.AddCredential(ctx, KindKey, Record{ID: described.ID, Value: value}); err != nil {
		return "", Key{}, fmt.Errorf("storing the key of %s: %w", name, err)
	}
	return key, described, nil
}

// List returns all keys, the newest first.
func (k Keys) List(ctx context.Context) ([]Key, error) {
	records, err := k.Store.Credentials(ctx, KindKey)
	if err != nil {
		return nil, fmt.Errorf("reading the device keys: %w", err)
	}
	keys := make([]Key, len(records))
	for i, r := range records {
		if err := json.Unmarshal(r.Value, &keys[i]); err != nil {
			return nil, fmt.Errorf("reading device key %s: %w", r.ID, err)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return keys, nil
}

// maxRaces bounds how often Revoke tries again after another change of the same key.
const maxRaces = 8

// Revoke ends a key now. A key that was revoked before keeps its time.
func (k Keys) Revoke(ctx context.Context, id string) (Key, error) {
	for range maxRaces {
		key, err := k.revokeOnce(ctx, id)
		if !errors.Is(err, ErrChanged) {
			return key, err
		}
	}
	return Key{}, fmt.Errorf("revoking key %s: others kept changing it: try again", id)
}

func (k Keys) revokeOnce(ctx context.Context, id string) (key Key, err error) {
	records, err := k.Store.Credentials(ctx, KindKey)
	if err != nil {
		return Key{}, fmt.Errorf("reading the device keys: %w", err)
	}
	at := slices.IndexFunc(records, func(r Record) bool { return r.ID == id })
	if at < 0 {
		return Key{}, fmt.Errorf("%s: %w", id, ErrNoKey)
	}
	if err := json.Unmarshal(records[at].Value, &key); err != nil {
		return Key{}, fmt.Errorf("reading device key %s: %w", id, err)
	}
	if !key.Revoked.IsZero() {
		return key, nil
	}
	key.Revoked = k.Now().UTC().Truncate(time.Second)
	if records[at].Value, err = json.Marshal(key); err != nil {
		return Key{}, fmt.Errorf("encoding a key: %w", err)
	}
	if err := k.Store.ReplaceCredential(ctx, KindKey, records[at]); err != nil {
		return Key{}, fmt.Errorf("revoking key %s: %w", id, err)
	}
	return key, nil
}
