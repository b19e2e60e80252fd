package files

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"gakushoku/internal/engine/seal"
)

// privateBlock is the PEM type of the key.
const privateBlock = "PRIVATE KEY"

// othersMay are the permissions that a file with a private key must not give.
const othersMay fs.FileMode = 0o077

// SigningKey is an Ed25519 key in a file (PKCS #8 in PEM form), which it makes at the first use. Only its
// owner may read the file. It is safe for concurrent use, also by several processes.
type SigningKey struct {
	Path string

	mu  sync.Mutex
	key ed25519.PrivateKey
}

var _ seal.Signer = (*SigningKey)(nil)

// Public implements seal.Signer.
func (k *SigningKey) Public(ctx context.Context) (crypto.PublicKey, error) {
	key, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	return key.Public(), nil
}

// Sign implements seal.Signer.
func (k *SigningKey) Sign(ctx context.Context, message []byte) ([]byte, error) {
	key, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(key, message), nil
}

func (k *SigningKey) open(ctx context.Context) (ed25519.PrivateKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil || ctx.Err() != nil {
		return k.key, ctx.Err()
	}
	key, err := readKey(k.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(k.Path); err == nil {
			key, err = readKey(k.Path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key that checkpoints are signed with: %w", err)
	}
	k.key = key
	return key, nil
}

// readKey reads a private key. It refuses a file that others may read.
func readKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&othersMay != 0 {
		return nil, fmt.Errorf("%s may be read or written by others (%s): chmod 600 it if nobody has, or make another key", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateBlock {
		return nil, fmt.Errorf("%s is no private key in PEM form: restore it", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged, restore it: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is another kind of key than Ed25519: give another file", path)
	}
	return key, nil
}

// makeKey makes a key. The file appears as a whole, and only one of several processes makes it.
func makeKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-") // with the permissions 0600
	if err != nil {
		return err
	}
	_, err = file.Write(pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		if err = os.Link(file.Name(), path); errors.Is(err, fs.ErrExist) {
			err = nil // another process was faster
		}
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	return errors.Join(err, os.Remove(file.Name()))
}

// PublicKeys is a file with the public keys of all signing keys that were ever used, so that what an earlier
// one signed can still be checked.
type PublicKeys struct{ Path string }

// Read adds the keys to those that are trusted. It does nothing if there is no file.
func (p PublicKeys) Read(into seal.Keys) error {
	text, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = into.ParsePublic(text)
	}
	if err != nil {
		return fmt.Errorf("reading the public keys in %s: %w", p.Path, err)
	}
	return nil
}

// Add adds a key, unless it is there.
func (p PublicKeys) Add(key crypto.PublicKey) error {
	encoded, err := seal.EncodePublic(key)
	if err != nil {
		return err
	}
	there, err := os.ReadFile(p.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || bytes.Contains(there, encoded) {
		return err
	}
	file, err := os.OpenFile(p.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(encoded)
	return errors.Join(err, file.Sync(), file.Close())
}
