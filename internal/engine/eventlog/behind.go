package eventlog

import (
	"context"
	"errors"
	"fmt"
)

// ErrLedgerBehind means that a manifest beside the segments is missing from the ledger: the ledger was lost,
// or replaced by an older copy. It would assign numbers twice, and its head is not the end of the log.
var ErrLedgerBehind = errors.New("the ledger of the log was lost or is an older copy: bring it back with `gakushoku archive restore-manifests`")

// checkLedger checks that no segment begins with the next number, unless another archiver has just committed
// it and moved the head.
func checkLedger(ctx context.Context, ledger Ledger, blobs BlobReader, head Head) error {
	_, err := blobs.GetRange(ctx, ManifestKey(head.Number+1), 0, 1)
	if errors.Is(err, ErrNoBlob) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := ledger.Head(ctx)
	switch {
	case err != nil:
		return err
	case now != head:
		return ErrHeadMoved
	}
	return fmt.Errorf("%w: there is a segment %d, though the ledger ends at %d", ErrLedgerBehind, head.Number+1, head.Number)
}

// WholeHead is Head for callers that need the whole log: it fails with ErrLedgerBehind when the log goes on
// after the ledger's head.
func (r *Reader) WholeHead(ctx context.Context) (Head, error) {
	head, err := r.Ledger.Head(ctx)
	if err != nil {
		return Head{}, err
	}
	if err := checkLedger(ctx, r.Ledger, r.Blobs, head); err != nil && !errors.Is(err, ErrHeadMoved) {
		return Head{}, err
	}
	return head, nil
}
