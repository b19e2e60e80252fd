package seal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Every is how often a log is sealed, if it has grown.
const Every = time.Hour

// Keeper seals a log. Any number of keepers may run at once.
type Keeper struct {
	Check  *Check         // of the same log; its Places are where Blobs and Copies are
	Blobs  eventlog.Blobs // of the log
	Signer Signer
	Copies []eventlog.Blobs // where each seal goes too
	Now    func() time.Time
}

// Seal signs the log as it is now, unless it is sealed up to its head already; it then returns nil. It signs
// nothing, and fails with ErrContradicted, if the log is not the one that was sealed before.
func (k *Keeper) Seal(ctx context.Context) (*Seal, error) {
	s, err := k.seal(ctx)
	if err != nil {
		return nil, fmt.Errorf("sealing the log: %w", err)
	}
	return s, nil
}

func (k *Keeper) seal(ctx context.Context) (*Seal, error) {
	report, err := k.Check.Newest(ctx)
	if err == nil {
		err = report.trusted()
	}
	if err != nil {
		return nil, err
	}
	s, err := k.next(ctx)
	if err != nil || s == nil {
		return nil, err
	}
	if err := k.sign(ctx, s); err != nil {
		return nil, err
	}
	return s, k.put(ctx, s)
}

func (k *Keeper) sign(ctx context.Context, s *Seal) error {
	public, err := k.Signer.Public(ctx)
	if err == nil {
		s.Key, err = KeyID(public)
	}
	if err == nil {
		s.Signature, err = k.Signer.Sign(ctx, s.Message())
	}
	if err == nil && !Verify(public, s.Message(), s.Signature) {
		err = errors.New("the signer's signature does not fit its public key")
	}
	return err
}

// next returns the seal of the log's head without its signature; nil if there is one.
func (k *Keeper) next(ctx context.Context) (*Seal, error) {
	head, err := k.Check.Ledger.Head(ctx)
	if err != nil || head.Number == 0 {
		return nil, err
	}
	if _, err = k.Blobs.GetRange(ctx, KeyOf(head.Number), 0, 1); !errors.Is(err, eventlog.ErrNoBlob) {
		return nil, err
	}
	chain, err := eventlog.ChainOf(ctx, k.Check.Ledger, head.Number)
	if err != nil {
		return nil, err
	}
	return &Seal{Number: head.Number, Segments: head.Segments, Chain: chain.Hash, At: event.InstantOf(k.Now())}, nil
}

// put stores a seal, first where copies go: what is beside the log is not sealed again.
func (k *Keeper) put(ctx context.Context, s *Seal) error {
	data, err := s.Encode()
	if err != nil {
		return err
	}
	for _, place := range k.Copies {
		if err := place.Put(ctx, KeyOf(s.Number), data); err != nil {
			return fmt.Errorf("copying the seal: %w", err)
		}
	}
	return k.Blobs.Put(ctx, KeyOf(s.Number), data)
}
