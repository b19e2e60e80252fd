package faultport

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventlog"
)

// Ledger puts a gate in front of a log's control records.
type Ledger struct {
	eventlog.Ledger
	Gate Gate
}

// Head implements eventlog.Ledger.
func (s Ledger) Head(ctx context.Context) (eventlog.Head, error) {
	return ask(ctx, s.Gate, "head", s.Ledger.Head)
}

// Claimed implements eventlog.Ledger.
func (s Ledger) Claimed(ctx context.Context, source string) (eventlog.Claim, error) {
	return ask(ctx, s.Gate, "claimed "+source, func(ctx context.Context) (eventlog.Claim, error) { return s.Ledger.Claimed(ctx, source) })
}

// Commit implements eventlog.Ledger.
func (s Ledger) Commit(ctx context.Context, c eventlog.Commit) error {
	return tell(ctx, s.Gate, Writes, fmt.Sprintf("commit %d to %d of %s", c.Manifest.First, c.Manifest.Last, c.Source), func(ctx context.Context) error {
		return s.Ledger.Commit(ctx, c)
	})
}

// Manifests implements eventlog.Ledger.
func (s Ledger) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	return ask(ctx, s.Gate, fmt.Sprintf("manifests after %d", after), func(ctx context.Context) ([]eventlog.Manifest, error) {
		return s.Ledger.Manifests(ctx, after, limit)
	})
}

// Restore implements eventlog.Ledger. Halfway, the first of the manifests are restored.
func (s Ledger) Restore(ctx context.Context, manifests []eventlog.Manifest) error {
	restore := func(n int) func(context.Context) error {
		return func(ctx context.Context) error { return s.Ledger.Restore(ctx, manifests[:n]) }
	}
	return s.Gate.Pass(ctx, Call{Administers, fmt.Sprintf("restore %d manifests", len(manifests)), restore(len(manifests)), restore(len(manifests) / 2)})
}

// Blobs puts a gate in front of a store of objects.
type Blobs struct {
	eventlog.Blobs
	Gate Gate
}

// Get implements eventlog.BlobReader.
func (s Blobs) Get(ctx context.Context, key string) ([]byte, error) {
	return ask(ctx, s.Gate, "get "+key, func(ctx context.Context) ([]byte, error) { return s.Blobs.Get(ctx, key) })
}

// GetRange implements eventlog.BlobReader.
func (s Blobs) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	return ask(ctx, s.Gate, fmt.Sprintf("get %s from %d", key, offset), func(ctx context.Context) ([]byte, error) {
		return s.Blobs.GetRange(ctx, key, offset, length)
	})
}

// Put implements eventlog.Blobs.
func (s Blobs) Put(ctx context.Context, key string, data []byte) error {
	return tell(ctx, s.Gate, Writes, "put "+key, func(ctx context.Context) error { return s.Blobs.Put(ctx, key, data) })
}

// Create implements eventlog.Creator.
func (s Blobs) Create(ctx context.Context, key string, data []byte) error {
	return tell(ctx, s.Gate, Writes, "create "+key, func(ctx context.Context) error { return s.Blobs.Create(ctx, key, data) })
}

// Delete implements eventlog.Blobs.
func (s Blobs) Delete(ctx context.Context, key string) error {
	return tell(ctx, s.Gate, Writes, "delete "+key, func(ctx context.Context) error { return s.Blobs.Delete(ctx, key) })
}

// List implements eventlog.BlobReader.
func (s Blobs) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Blob, error) {
	return ask(ctx, s.Gate, "list "+prefix+" after "+after, func(ctx context.Context) ([]eventlog.Blob, error) {
		return s.Blobs.List(ctx, prefix, after, limit)
	})
}
