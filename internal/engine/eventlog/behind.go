package eventlog

import (
	"context"
	"errors"
	"fmt"
)

// ErrLedgerBehind says that there is a manifest beside the segments that the ledger does not
// know: it was lost, or an older copy was put in its place. Numbers would be given twice, and
// what is read up to the ledger's head is not the whole log.
var ErrLedgerBehind = errors.New("the ledger of the log was lost or is an older copy: bring it back with `gakushoku archive restore-manifests`")

// checkLedger wants that no segment begins with the number that is next. There may be one if
// another archiver has just committed it; then the head has moved.
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

// WholeHead is Head for callers that need the whole log: it fails with
// ErrLedgerBehind when there is more than the ledger knows of.
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
