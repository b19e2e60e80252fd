// Package kms signs with a key that AWS KMS keeps: it cannot be read, and CloudTrail shows every use.
package kms

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"gakushoku/internal/engine/seal"
	"gakushoku/internal/store/awsfault"
)

// API is the part of the SDK that Key uses. *kms.Client implements it.
type API interface {
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
	GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
}

// Key is a key of the spec ECC_NIST_P256 for SIGN_VERIFY. It is safe for concurrent use.
type Key struct {
	client API
	id     string

	mu     sync.Mutex
	public crypto.PublicKey
}

var _ seal.Signer = (*Key)(nil)

// New returns a key by its id, ARN or alias.
func New(client API, id string) *Key { return &Key{client: client, id: id} }

// Public implements seal.Signer. The public key of a KMS key never changes, so it is asked for once.
func (k *Key) Public(ctx context.Context) (crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.public != nil {
		return k.public, nil
	}
	out, err := k.client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &k.id})
	if err != nil {
		return nil, awsfault.Wrap(ctx, "reading the public key of "+k.id, err)
	}
	if k.public, err = x509.ParsePKIXPublicKey(out.PublicKey); err != nil {
		return nil, fmt.Errorf("reading the public key of %s: %w", k.id, err)
	}
	return k.public, nil
}

// Sign implements seal.Signer.
func (k *Key) Sign(ctx context.Context, message []byte) ([]byte, error) {
	out, err := k.client.Sign(ctx, &kms.SignInput{
		KeyId: aws.String(k.id), Message: message, MessageType: types.MessageTypeRaw, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return nil, awsfault.Wrap(ctx, "signing with "+k.id, err)
	}
	return out.Signature, nil
}
