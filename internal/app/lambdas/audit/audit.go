// Package audit is the function that signs the log each hour, with a key that KMS keeps.
package audit

import (
	"context"
	"encoding/json"
	"time"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/logbucket"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
	"gakushoku/internal/store/kms"
)

// Alias returns the name by which operators find the key of a stack.
func Alias(stack string) string { return "alias/" + stack + "-audit" }

// Build returns the function's handler. What the schedule sends does not matter.
func Build(s *lambdas.System) (lambdas.Handler[json.RawMessage, struct{}], error) {
	key, err := lambdas.Required(lambdas.EnvAuditKey, s.Config.AuditKey, "the KMS key that checkpoints of the log are signed with")
	if err != nil {
		return nil, err
	}
	blobs, err := logbucket.Open(s)
	if err != nil {
		return nil, err
	}
	signer := kms.New(awskms.NewFromConfig(s.AWS), key)
	rounds := &audit.Rounds{
		Keeper:      &seal.Keeper{Check: Check(s.Ledger, blobs, s.Control, signer), Blobs: blobs, Signer: signer, Now: time.Now},
		Checkpoints: s.Control, Now: time.Now,
	}
	return func(ctx context.Context, _ json.RawMessage) (struct{}, error) {
		return struct{}{}, rounds.Once(observe.WithLogger(ctx, s.Logger))
	}, nil
}

// Check compares a stack's log with what its key has signed.
func Check(ledger eventlog.Ledger, blobs eventlog.BlobReader, checkpoints projection.Checkpoints, signer seal.Signer) *seal.Check {
	return &seal.Check{Ledger: ledger, Places: []eventlog.BlobReader{blobs}, Expected: audit.Expected(checkpoints), Trust: func(ctx context.Context) (seal.Keys, error) {
		keys := seal.Keys{}
		public, err := signer.Public(ctx)
		if err == nil {
			err = keys.Add(public)
		}
		return keys, err
	}}
}
