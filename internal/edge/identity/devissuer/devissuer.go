// Package devissuer issues tokens for local work, demos and tests, in the place of an OpenID provider. Its key
// lies in a data folder, and no server accepts its tokens unless it is told to.
package devissuer

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"gakushoku/internal/edge/identity"
)

// Issuer and Audience are those of every token.
const (
	Issuer   = "urn:gakushoku:development"
	Audience = "gakushoku"
)

// file is the name of the key in a data folder.
const file = "development-issuer.json"

// keyID names the key in tokens.
const keyID = "development"

// Key is the key of an issuer.
type Key struct{ private ed25519.PrivateKey }

// Open returns the key in a folder, and makes it if there is none.
func Open(dir string) (*Key, error) {
	path := filepath.Join(dir, file)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key of the development issuer: %w", err)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil {
		return nil, fmt.Errorf("%s is damaged, remove it to get a new key: %w", path, err)
	}
	private, ok := key.Key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind: remove it to get a new one", path)
	}
	return &Key{private}, nil
}

// create stores a new key. If another process does so at once, its key is the one.
func create(path string) (*Key, error) {
	key, err := New()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(jose.JSONWebKey{Key: key.private, KeyID: keyID, Algorithm: string(jose.EdDSA), Use: "sig"})
	if err != nil {
		return nil, fmt.Errorf("encoding the key of the development issuer: %w", err)
	}
	err = store(path, raw)
	if errors.Is(err, fs.ErrExist) {
		return Open(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("storing the key of the development issuer: %w", err)
	}
	return key, nil
}

// store writes a file that only its owner may read, as a whole and only where none is.
func store(path string, raw []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), file+".new-")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(append(raw, '\n'))
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Link(temporary.Name(), path)
}

// New returns a new key that is stored nowhere.
func New() (*Key, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return &Key{private}, nil
}

// KeySet returns the public key as a JSON Web Key Set.
func (k *Key) KeySet() (string, error) {
	public := jose.JSONWebKey{Key: k.private.Public(), KeyID: keyID, Algorithm: string(jose.EdDSA), Use: "sig"}
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		return "", fmt.Errorf("encoding a key set: %w", err)
	}
	return string(raw), nil
}

// Provider describes the issuer to those who are to accept its tokens.
func (k *Key) Provider() (identity.Provider, error) {
	keys, err := k.KeySet()
	return identity.Provider{Issuer: Issuer, Audiences: []string{Audience}, KeySet: keys, RoleClaim: "roles"}, err
}

// Token returns a token for a subject with a role.
func (k *Key) Token(subject, role string, now time.Time, lasts time.Duration) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.private}, options)
	if err != nil {
		return "", fmt.Errorf("preparing to sign a token: %w", err)
	}
	claims := jwt.Claims{
		Issuer: Issuer, Subject: subject, Audience: jwt.Audience{Audience},
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(lasts)),
	}
	token, err := jwt.Signed(signer).Claims(claims).Claims(map[string]any{"roles": []string{role}}).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}
