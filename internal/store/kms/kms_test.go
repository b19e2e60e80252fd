package kms_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/seal/sealtest"
	"gakushoku/internal/fault"
	store "gakushoku/internal/store/kms"
)

// service does what KMS does with a key of the spec ECC_NIST_P256.
type service struct{ key *ecdsa.PrivateKey }

func newService(t *testing.T) service {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return service{key}
}

func (s service) Sign(ctx context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	if in.MessageType != types.MessageTypeRaw || in.SigningAlgorithm != types.SigningAlgorithmSpecEcdsaSha256 || *in.KeyId != "alias/audit" {
		return nil, &smithy.GenericAPIError{Code: "ValidationException"}
	}
	sum := sha256.Sum256(in.Message)
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	return &kms.SignOutput{Signature: signature}, errors.Join(err, ctx.Err())
}

func (s service) GetPublicKey(ctx context.Context, _ *kms.GetPublicKeyInput, _ ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	return &kms.GetPublicKeyOutput{PublicKey: der}, errors.Join(err, ctx.Err())
}

func TestAKMSKeySigns(t *testing.T) {
	t.Parallel()
	sealtest.TestSigner(t, func(t *testing.T) func() seal.Signer {
		api := newService(t)
		return func() seal.Signer { return store.New(api, "alias/audit") }
	})
}

// throttled is a service that is busy.
type throttled struct{ service }

func (throttled) Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error) {
	return nil, &smithy.GenericAPIError{Code: "ThrottlingException"}
}

func TestABusyServiceIsTriedAgain(t *testing.T) {
	t.Parallel()
	if _, err := store.New(throttled{newService(t)}, "alias/audit").Sign(t.Context(), nil); fault.ClassOf(err) != fault.Infra {
		t.Errorf("%v", err)
	}
}
