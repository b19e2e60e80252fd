package dynamo

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventlog"
)

// restoreTries is how often a restore starts again after the head moved, by another process or by an attempt
// of its own whose response was lost.
const restoreTries = 4

// Restore implements eventlog.Ledger. It puts as many manifests in each transaction as fit.
func (s *Ledger) Restore(ctx context.Context, manifests []eventlog.Manifest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := eventlog.CheckRestore(manifests); err != nil || len(manifests) == 0 {
		return err
	}
	var err error
	for try := range restoreTries {
		if err = s.restoreOnce(ctx, manifests); err == nil || ctx.Err() != nil {
			return err
		}
		if try > 0 && errors.Is(err, eventlog.ErrNoFit) {
			return fmt.Errorf("%w, by a segment that is not among those restored", eventlog.ErrHeadMoved)
		}
		if !errors.Is(err, eventlog.ErrHeadMoved) {
			return err
		}
	}
	return err
}

// restoreOnce reads the head, checks all manifests, and then puts those after the head.
func (s *Ledger) restoreOnce(ctx context.Context, manifests []eventlog.Manifest) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	known := 0
	for known < len(manifests) && manifests[known].First <= head.Number {
		known++
	}
	if err := s.checkKnown(ctx, manifests[:known]); err != nil {
		return err
	}
	rest := manifests[known:]
	if len(rest) > 0 && rest[0].First != head.Number+1 {
		return fmt.Errorf("%w: the log ends with event %d, they go on with %d", eventlog.ErrNoFit, head.Number, rest[0].First)
	}
	if len(rest) > 0 {
		if err := head.CheckNext(&rest[0]); err != nil {
			return err
		}
	}
	const most = maxTransactionItems - 1 // one item is the head
	for len(rest) > 0 {
		part := rest[:min(len(rest), most)]
		if err := s.restorePart(ctx, part); err != nil {
			return err
		}
		rest = rest[len(part):]
	}
	return nil
}

// checkKnown checks that manifests at or below the head equal the ledger's.
func (s *Ledger) checkKnown(ctx context.Context, manifests []eventlog.Manifest) error {
	for len(manifests) > 0 {
		there, err := s.Manifests(ctx, manifests[0].First-1, min(len(manifests), maxManifestPage))
		if err != nil {
			return err
		}
		if len(there) == 0 {
			return fmt.Errorf("%w: the ledger has none of event %d", eventlog.ErrNoFit, manifests[0].First)
		}
		for i := range there {
			if !there[i].Equal(&manifests[i]) {
				return fmt.Errorf("%w: that of the events %d to %d is not the one in the ledger", eventlog.ErrNoFit, manifests[i].First, manifests[i].Last)
			}
		}
		manifests = manifests[len(there):]
	}
	return nil
}

func (s *Ledger) restorePart(ctx context.Context, part []eventlog.Manifest) error {
	last := &part[len(part)-1]
	writes := []ledgerWrite{{item: s.moveHead(part[0].First-1, last, len(part)), failed: eventlog.ErrHeadMoved}}
	for i := range part {
		put, err := s.putManifest(&part[i])
		if err != nil {
			return err
		}
		writes = append(writes, ledgerWrite{item: put})
	}
	return s.transact(ctx, s.doing(fmt.Sprintf("restoring the events %d to %d", part[0].First, last.Last)), new(attempts), writes)
}
