package eventlogtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func putAll(t *testing.T, h Blobs, keys []string) BlobsInstance {
	t.Helper()
	opened := h.Open(t)
	for _, key := range keys {
		mustPut(t, opened.Store, key, []byte(key))
	}
	return opened
}

// testBlobListOrder uses keys that would be misplaced if folders were sorted by their names alone.
func testBlobListOrder(t *testing.T, h Blobs) {
	keys := []string{"b/a", "a/b/c", "a-b", "a.b/x", "a=b", "a/b.json", "a/b-1/c", "C", "a0", "_", "a_/z", "10", "9"}
	s := putAll(t, h, keys).Store
	slices.Sort(keys)
	for limit := range 4 {
		wantSame(t, fmt.Sprintf("a list by %d", limit+1), keys, keysOf(t, s, "", "", limit+1))
	}
}

func testBlobListPaged(t *testing.T, h Blobs) {
	var keys []string
	for n := range 120 {
		keys = append(keys, fmt.Sprintf("manifests/%020d.json", n*n))
	}
	keys = append(keys, "segments/x", "a/y")
	s := putAll(t, h, keys).Store
	slices.Sort(keys)
	for _, after := range []string{"", "a/y", "b", "manifests/", keys[50], keys[50] + "x", "manifests/00000000000000000005.json", "segments/x", "z"} {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key <= after })
		for _, limit := range []int{7, 1000} {
			got := keysOf(t, s, "", after, limit)
			if !slices.Equal(want, got) {
				t.Errorf("after %q by %d: %d keys, want %d", after, limit, len(got), len(want))
			}
		}
	}
}

func testBlobPrefix(t *testing.T, h Blobs) {
	keys := []string{"a/bc", "a/b/c", "a/b/d", "ab", "b/a/b"}
	s := putAll(t, h, keys).Store
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "a/bc", "a/bcd", "b/a/", "c"} {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		got := keysOf(t, s, prefix, "", 2)
		if !slices.Equal(want, got) {
			t.Errorf("keys that begin with %q: %q, want %q", prefix, got, want)
		}
		for _, key := range keys {
			after := slices.DeleteFunc(slices.Clone(want), func(k string) bool { return k <= key })
			if got := keysOf(t, s, prefix, key, 2); !slices.Equal(after, got) {
				t.Errorf("keys that begin with %q after %q: %q, want %q", prefix, key, got, after)
			}
		}
	}
}

func testBlobListCurrent(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	for n := range 20 {
		mustPut(t, s, fmt.Sprintf("k/%02d", n), nil)
		if got := keysOf(t, s, "k/", "", 100); len(got) != n+1 {
			t.Errorf("%d objects after %d puts", len(got), n+1)
		}
	}
	for n := range 20 {
		mustDelete(t, s, fmt.Sprintf("k/%02d", n))
		if got := keysOf(t, s, "k/", "", 100); len(got) != 19-n {
			t.Errorf("%d objects after %d deletes of 20", len(got), n+1)
		}
	}
}

// testBlobListBeside lists while other objects are put and deleted: objects that stay are in every list.
func testBlobListBeside(t *testing.T, h Blobs) {
	kept := []string{"k/a/1", "k/c/1", "k/e"}
	s := putAll(t, h, kept).Store
	ended, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for _, key := range []string{"k/b/1", "k/d"} {
		others.Go(func() {
			for ended.Err() == nil {
				if err := again(t.Context(), func() error { return s.Put(t.Context(), key, []byte("x")) }); err != nil {
					t.Error(err)
				}
				if err := again(t.Context(), func() error { return s.Delete(t.Context(), key) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 30 {
		got := slices.DeleteFunc(keysOf(t, s, "k/", "", 2), func(key string) bool { return !slices.Contains(kept, key) })
		wantSame(t, "what stays", kept, got)
	}
	stop()
	others.Wait()
}
