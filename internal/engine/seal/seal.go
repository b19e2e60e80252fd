// Package seal signs the log: a seal says which hash the chain of the log had at a number and a time. What
// a seal covers cannot be changed, exchanged or cut off unnoticed by anyone who does not have the key,
// whatever else they may write. infra/DESIGN.md section 7 and decision 22 have the whole.
package seal

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Seal is a signed checkpoint of the log.
type Seal struct {
	Number    uint64        `json:"number"`   // of the last event that it covers
	Segments  uint64        `json:"segments"` // up to there
	Chain     string        `json:"chain"`    // the chain's hash up to there
	At        event.Instant `json:"at"`       // when it was signed
	Key       string        `json:"key"`      // KeyID of the key
	Signature []byte        `json:"signature"`
}

// Message returns what is signed.
func (s *Seal) Message() []byte {
	return fmt.Appendf(nil, "gakushoku log 1\nnumber %d\nsegments %d\nchain %s\nat %s\n", s.Number, s.Segments, s.Chain, s.At)
}

// Signer is the port to the key that seals are signed with. The private key never leaves it.
type Signer interface {
	// Public returns the public key: Ed25519, or ECDSA on P-256.
	Public(ctx context.Context) (crypto.PublicKey, error)
	// Sign signs a message of at most 4096 bytes so that Verify accepts the signature. Retryable errors are
	// wrapped with fault.Unavailable.
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Verify reports whether a signature of a message is by the private key of a public one: plain Ed25519, or
// for ECDSA the ASN.1 form over SHA-256.
func Verify(key crypto.PublicKey, message, signature []byte) bool {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(key, sum[:], signature)
	}
	return false
}

// KeyID returns the id of a public key: the beginning of the SHA-256 of its PKIX form, as
// `openssl pkey -pubin -outform DER | sha256sum` prints it.
func KeyID(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:16]), nil
}

// EncodePublic returns a public key as PEM.
func EncodePublic(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Keys are the public keys that are trusted, by their ids.
type Keys map[string]crypto.PublicKey

// Add adds a key of a kind that seals are signed with.
func (k Keys) Add(key crypto.PublicKey) error {
	switch key := key.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return fmt.Errorf("a key on %s: seals are signed on P-256 or with Ed25519", key.Params().Name)
		}
	default:
		return fmt.Errorf("a key of the kind %T: seals are signed with Ed25519 or ECDSA on P-256", key)
	}
	id, err := KeyID(key)
	if err == nil {
		k[id] = key
	}
	return err
}

// ParsePublic adds the public keys of a PEM file.
func (k Keys) ParsePublic(text []byte) error {
	found := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err == nil {
			err = k.Add(key)
		}
		if err != nil {
			return fmt.Errorf("a %s that cannot be used: %w", block.Type, err)
		}
		found++
	}
	if found == 0 {
		return errors.New("there is no PUBLIC KEY in PEM form: `gakushoku audit key` prints one")
	}
	return nil
}

// Folder is where the seals are, beside the log's objects.
const Folder = "checkpoints/"

// KeyOf returns the key of the object of the seal of a number. Keys sort like numbers.
func KeyOf(number uint64) string { return fmt.Sprintf("%s%020d.json", Folder, number) }

// numberOf returns the number of a seal's object; false if it is none.
func numberOf(key string) (uint64, bool) {
	digits, found := strings.CutSuffix(strings.TrimPrefix(key, Folder), ".json")
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, found && err == nil && KeyOf(number) == key
}

// Encode returns the object of a seal.
func (s *Seal) Encode() ([]byte, error) {
	encoded, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the seal of event %d: %w", s.Number, err)
	}
	return append(encoded, '\n'), nil
}

// ErrNotValid means that a seal is not what a trusted key has signed.
var ErrNotValid = errors.New("the seal is not valid")

// decode reads the object of a seal, and checks its signature.
func (k Keys) decode(key string, data []byte) (*Seal, error) {
	var s Seal
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read: %w", ErrNotValid, key, err)
	}
	written, err := s.Encode()
	switch public := k[s.Key]; {
	case err != nil || !bytes.Equal(written, data):
		return nil, fmt.Errorf("%w: %s is not as it was written", ErrNotValid, key)
	case KeyOf(s.Number) != key:
		return nil, fmt.Errorf("%w: %s is the seal of event %d", ErrNotValid, key, s.Number)
	case public == nil:
		return nil, fmt.Errorf("%w: %s was signed with the key %q, which is not trusted: give its public key with --public-key", ErrNotValid, key, s.Key)
	case !Verify(public, s.Message(), s.Signature):
		return nil, fmt.Errorf("%w: the signature of %s is wrong", ErrNotValid, key)
	}
	return &s, nil
}

// read reads a seal and checks its signature.
func (k Keys) read(ctx context.Context, blobs eventlog.BlobReader, key string) (*Seal, error) {
	data, err := blobs.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return k.decode(key, data)
}

// all calls f for the key of each seal, in the order of numbers.
func all(ctx context.Context, blobs eventlog.BlobReader, after string, f func(key string) error) error {
	for b, err := range eventlog.Objects(ctx, blobs, Folder, after) {
		if err != nil {
			return fmt.Errorf("listing the seals: %w", err)
		}
		if _, ok := numberOf(b.Key); !ok {
			continue
		}
		if err := f(b.Key); err != nil {
			return err
		}
	}
	return nil
}
