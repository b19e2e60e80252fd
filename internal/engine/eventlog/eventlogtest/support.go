package eventlogtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault/retry"
)

func wantSame(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func mustPut(t *testing.T, s eventlog.Blobs, key string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, data); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func mustDelete(t *testing.T, s eventlog.Blobs, key string) {
	t.Helper()
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatalf("delete %s: %v", key, err)
	}
}

// wantBlob checks that key has data, by both ways of reading it and in the list.
func wantBlob(t *testing.T, s eventlog.Blobs, key string, data []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("get %s: %d bytes, %v, want %d", key, len(got), err, len(data))
	}
	if len(data) > 0 {
		got, err = s.GetRange(t.Context(), key, 0, int64(len(data)))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("get %s as a range: %d bytes, %v, want %d", key, len(got), err, len(data))
		}
	}
	listed, err := s.List(t.Context(), key, "", 1)
	if err != nil || len(listed) != 1 || listed[0].Key != key || listed[0].Bytes != int64(len(data)) {
		t.Errorf("the list shows %+v, %v, want %s of %d bytes", listed, err, key, len(data))
	}
}

// wantNoBlob checks that key has no object.
func wantNoBlob(t *testing.T, s eventlog.Blobs, key string) {
	t.Helper()
	_, err := s.Get(t.Context(), key)
	wantErr(t, "get "+key, err, eventlog.ErrNoBlob)
	_, err = s.GetRange(t.Context(), key, 0, 1)
	wantErr(t, "get a range of "+key, err, eventlog.ErrNoBlob)
	listed, err := s.List(t.Context(), key, "", 1)
	if err != nil || len(listed) != 0 {
		t.Errorf("the list shows %+v, %v", listed, err)
	}
}

// keysOf reads all pages of a list and checks their sizes.
func keysOf(t *testing.T, s eventlog.BlobReader, prefix, after string, limit int) []string {
	t.Helper()
	const maxPages = 10_000
	var keys []string
	for range maxPages {
		page, err := s.List(t.Context(), prefix, after, limit)
		if err != nil {
			t.Fatalf("list %q after %q: %v", prefix, after, err)
		}
		if len(page) > limit {
			t.Fatalf("a page of %d objects, at most %d were asked for", len(page), limit)
		}
		for _, b := range page {
			keys = append(keys, b.Key)
		}
		if len(page) < limit {
			return keys
		}
		after = page[len(page)-1].Key
	}
	t.Fatal("the list does not end")
	return nil
}

// again repeats f after infrastructure errors, as a caller would.
func again(ctx context.Context, f func() error) error {
	return retry.Do(ctx, retry.Policy{Tries: 1000}, retry.Unavailable(f))
}

func mustHead(t *testing.T, s eventlog.Ledger) eventlog.Head {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return head
}

func mustCommit(t *testing.T, s eventlog.Ledger, c eventlog.Commit) {
	t.Helper()
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatalf("commit of %d to %d from %q: %v", c.Manifest.First, c.Manifest.Last, c.Source, err)
	}
}

// wantHead checks that the head is after these manifests, which are all there are.
func wantHead(t *testing.T, s eventlog.Ledger, manifests ...eventlog.Manifest) {
	t.Helper()
	var want eventlog.Head
	if n := len(manifests); n > 0 {
		last := manifests[n-1]
		want = eventlog.Head{Number: last.Last, Segments: uint64(n), CommittedAt: last.CreatedAt, Chain: last.Chained()}
	}
	wantSame(t, "the head", want, mustHead(t, s))
	wantSame(t, "the manifests", manifests, allManifests(t, s, 0, 100))
}

// allManifests reads all pages of manifests and checks their sizes.
func allManifests(t *testing.T, s eventlog.Ledger, after uint64, limit int) []eventlog.Manifest {
	t.Helper()
	const maxPages = 10_000
	var all []eventlog.Manifest
	for range maxPages {
		page, err := s.Manifests(t.Context(), after, limit)
		if err != nil {
			t.Fatalf("manifests after %d: %v", after, err)
		}
		if len(page) > limit {
			t.Fatalf("a page of %d manifests, at most %d were asked for", len(page), limit)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		after = page[len(page)-1].Last
	}
	t.Fatal("the manifests do not end")
	return nil
}

// wantClaim checks the claim of a source.
func wantClaim(t *testing.T, s eventlog.Ledger, source string, want eventlog.Claim) {
	t.Helper()
	got, err := s.Claimed(t.Context(), source)
	if err != nil {
		t.Fatalf("claim of %q: %v", source, err)
	}
	wantSame(t, fmt.Sprintf("the claim of %q", source), want, got)
}
