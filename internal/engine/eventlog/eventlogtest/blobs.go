package eventlogtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
)

const someKey = "runs/2026-01-24/01K.jsonl.zst"

// noise returns bytes of every value that do not compress.
func noise(size int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(size)))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

func testBlobRoundTrip(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	for _, size := range []int{0, 1, 255, 4096, 70_000} {
		key := fmt.Sprintf("a/%d", size)
		mustPut(t, s, key, noise(size))
		wantBlob(t, s, key, noise(size))
	}
}

func testNoBlob(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	wantNoBlob(t, s, someKey)
	mustPut(t, s, "a/b/c", []byte("x"))
	for _, key := range []string{"a/b/d", "d/b/c"} {
		wantNoBlob(t, s, key)
	}
	for _, folder := range []string{"a", "a/b"} {
		_, err := s.Get(t.Context(), folder)
		wantErr(t, "get what keys begin with", err, eventlog.ErrNoBlob)
		_, err = s.GetRange(t.Context(), folder, 0, 1)
		wantErr(t, "get a range of what keys begin with", err, eventlog.ErrNoBlob)
	}
}

func testTooLarge(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	key := eventlog.ManifestKey(1)
	mustPut(t, s, key, noise(eventlog.MaxManifestBytes))
	wantBlob(t, s, key, noise(eventlog.MaxManifestBytes))
	mustPut(t, s, key, noise(eventlog.MaxManifestBytes+1))
	_, err := s.Get(t.Context(), key)
	wantErr(t, "get what is larger than any manifest", err, eventlog.ErrTooLarge)
	if fault.ClassOf(err) == fault.Infra {
		t.Errorf("another try is asked for: %v", err)
	}
}

func testBlobReplaced(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	for _, data := range []string{"first", "", "a longer third", "4"} {
		mustPut(t, s, someKey, []byte(data))
		wantBlob(t, s, someKey, []byte(data))
	}
}

func testBlobDeleted(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	mustDelete(t, s, someKey)
	mustPut(t, s, someKey, []byte("x"))
	mustPut(t, s, someKey+"2", []byte("y"))
	for range 2 {
		mustDelete(t, s, someKey)
		_, err := s.Get(t.Context(), someKey)
		wantErr(t, "get what was deleted", err, eventlog.ErrNoBlob)
	}
	wantBlob(t, s, someKey+"2", []byte("y"))
	mustDelete(t, s, someKey+"2/below")
	mustPut(t, s, someKey, []byte("again"))
	wantBlob(t, s, someKey+"2", []byte("y"))
}

func testBlobRange(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	data := noise(100_000)
	mustPut(t, s, someKey, data)
	for _, r := range [][2]int64{{0, 1}, {0, 100_000}, {99_999, 1}, {500, 70_000}, {65_536, 4096}} {
		got, err := s.GetRange(t.Context(), someKey, r[0], r[1])
		if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes from %d on: got %d, %v", r[1], r[0], len(got), err)
		}
	}
	for _, r := range [][2]int64{{0, 100_001}, {99_999, 2}, {100_000, 1}, {1 << 40, 1}, {0, 1 << 40}, {0, 0}, {5, -1}, {-1, 5}} {
		if got, err := s.GetRange(t.Context(), someKey, r[0], r[1]); err == nil {
			t.Errorf("%d bytes from %d on of 100000: got %d and no error", r[1], r[0], len(got))
		}
	}
	mustPut(t, s, "empty", nil)
	if _, err := s.GetRange(t.Context(), "empty", 0, 1); err == nil {
		t.Error("a byte of an empty object was read")
	}
}

func testBlobKeys(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", ".a", "a/.b", "a b", "a\\b", "a:b", "a\x00", "a\n", "学", "%2e", "a?b", "a#b", "~", "*",
		strings.Repeat("a", eventlog.MaxKeyBytes+1),
	} {
		ctx := t.Context()
		if err := s.Put(ctx, key, []byte("x")); err == nil {
			t.Errorf("put %q was taken", key)
		}
		if _, err := s.Get(ctx, key); err == nil {
			t.Errorf("get %q was taken", key)
		}
		if _, err := s.GetRange(ctx, key, 0, 1); err == nil {
			t.Errorf("get a range of %q was taken", key)
		}
		if err := s.Delete(ctx, key); err == nil {
			t.Errorf("delete %q was taken", key)
		}
	}
	for _, prefix := range []string{"/", "../", "a//", ".", "a/.", "学"} {
		if _, err := s.List(t.Context(), prefix, "", 1); err == nil {
			t.Errorf("list %q was taken", prefix)
		}
	}
	for _, limit := range []int{0, -1} {
		if _, err := s.List(t.Context(), "", "", limit); err == nil {
			t.Errorf("a list of at most %d was taken", limit)
		}
	}
	wantSame(t, "what is there", []string(nil), keysOf(t, s, "", "", 10))
}

func testBlobOddKeys(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	keys := []string{
		"a", "A1", "b-", "-c", "_", "=", "run=1/part=0007.json", "d..", "e.", "f/g/h/i/j/k/l/m", "CON", "0", strings.Repeat("x/", (eventlog.MaxKeyBytes-2)/2) + "yz",
	}
	for _, key := range keys {
		mustPut(t, s, key, []byte(key))
	}
	for _, key := range keys {
		got, err := s.Get(t.Context(), key)
		if err != nil || string(got) != key {
			t.Errorf("get %s: %q, %v", key, got, err)
		}
	}
	slices.Sort(keys)
	wantSame(t, "what is there", keys, keysOf(t, s, "", "", 100))
}

func testBlobLarge(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	large := noise(9 << 20)
	mustPut(t, s, someKey, large)
	wantBlob(t, s, someKey, large)
}

func testBlobCopies(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	data := []byte("kept")
	mustPut(t, s, someKey, data)
	copy(data, "lost")
	wantBlob(t, s, someKey, []byte("kept"))
	whole, err := s.Get(t.Context(), someKey)
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.GetRange(t.Context(), someKey, 0, 4)
	if err != nil {
		t.Fatal(err)
	}
	copy(whole, "lost")
	copy(part, "gone")
	wantBlob(t, s, someKey, []byte("kept"))
}

// testBlobNeverHalf reads an object while other writers replace it.
func testBlobNeverHalf(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	uniform := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, 200_000+n*10_000) }
	mustPut(t, s, someKey, uniform(0))
	var writers, readers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			for range 10 {
				if err := again(t.Context(), func() error { return s.Put(t.Context(), someKey, uniform(n)) }); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	ended, stop := context.WithCancel(t.Context())
	for range 2 {
		readers.Go(func() {
			for first := true; first || ended.Err() == nil; first = false {
				data, err := s.Get(t.Context(), someKey)
				if err != nil {
					t.Errorf("get: %v", err)
				} else if !bytes.Equal(data, uniform(int(data[0]-'a'))) {
					t.Errorf("a mixture of %d bytes, from %c on", len(data), data[0])
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
}

// testBlobOneKey puts and deletes one key from many goroutines: each call succeeds, and the last one counts.
func testBlobOneKey(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	var all sync.WaitGroup
	for n := range 6 {
		all.Go(func() {
			for range 5 {
				f := func() error { return s.Put(t.Context(), "a/b/c", []byte("x")) }
				if n%2 == 0 {
					f = func() error { return s.Delete(t.Context(), "a/b/c") }
				}
				if err := again(t.Context(), f); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	mustPut(t, s, "a/b/c", []byte("last"))
	wantBlob(t, s, "a/b/c", []byte("last"))
}

func testBlobCancelled(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	mustPut(t, s, someKey, []byte("kept"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, "put", s.Put(ctx, someKey, []byte("lost")), context.Canceled)
	wantErr(t, "put anew", s.Put(ctx, "new", []byte("lost")), context.Canceled)
	wantErr(t, "delete", s.Delete(ctx, someKey), context.Canceled)
	_, err := s.Get(ctx, someKey)
	wantErr(t, "get", err, context.Canceled)
	_, err = s.GetRange(ctx, someKey, 0, 1)
	wantErr(t, "get a range", err, context.Canceled)
	_, err = s.List(ctx, "", "", 1)
	wantErr(t, "list", err, context.Canceled)
	wantBlob(t, s, someKey, []byte("kept"))
	wantNoBlob(t, s, "new")
}

func testBlobReopen(t *testing.T, h Blobs) {
	opened := h.Open(t)
	mustPut(t, opened.Store, someKey, []byte("one"))
	mustPut(t, opened.Store, "manifests/00000000000000000001.json", []byte("{}"))
	if opened.Reopen == nil {
		return // no promise in this case
	}
	s := opened.Reopen(t)
	wantBlob(t, s, someKey, []byte("one"))
	wantSame(t, "what is there", []string{"manifests/00000000000000000001.json", someKey}, keysOf(t, s, "", "", 10))
	mustPut(t, s, someKey, []byte("two"))
	wantBlob(t, s, someKey, []byte("two"))
}

func testBlobReopenDeleted(t *testing.T, h Blobs) {
	opened := h.Open(t)
	mustPut(t, opened.Store, someKey, []byte("one"))
	mustDelete(t, opened.Store, someKey)
	if opened.Reopen != nil {
		wantNoBlob(t, opened.Reopen(t), someKey)
	}
}

func testBlobListFields(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	before := time.Now()
	mustPut(t, s, someKey, noise(1234))
	listed, err := s.List(t.Context(), "", "", 10)
	if err != nil || len(listed) != 1 {
		t.Fatalf("%+v, %v", listed, err)
	}
	const skew = time.Hour // a store may have its own clock
	if b := listed[0]; b.Key != someKey || b.Bytes != 1234 || b.Changed.Before(before.Add(-skew)) || b.Changed.After(time.Now().Add(skew)) {
		t.Errorf("the list shows %+v", b)
	}
}
