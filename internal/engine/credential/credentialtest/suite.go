// Package credentialtest is the contract of credential.Store, as tests that hold every adapter to the same
// promises.
package credentialtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/fault"
)

// Harness gives the suite access to an adapter.
type Harness struct {
	// Open returns a new empty store, and closes it when the test ends.
	Open func(t *testing.T) Instance
}

// Instance is one store.
type Instance struct {
	Store credential.Store
	// Reopen closes the store as a process would when it ends, and opens it again on the same data; nil if
	// the store keeps no data.
	Reopen func(t *testing.T) credential.Store
}

// TestStore tests everything that credential.Store promises.
func TestStore(t *testing.T, h Harness) {
	contract.Run(t, h, map[string]func(*testing.T, Harness){
		"records come back by id":                      testRoundTrip,
		"an id is taken once":                          testExists,
		"only the revision that was read is replaced":  testReplace,
		"one of many who add an id wins":               testOneAdds,
		"one of many who replace a revision wins":      testOneReplaces,
		"nothing shares memory with the caller":        testCopies,
		"a cancelled call says so and changes nothing": testCancelled,
		"records are there when it is reopened":        testReopen,
	})
}

func record(id, value string, revision uint64) credential.Record {
	return credential.Record{ID: id, Revision: revision, Value: json.RawMessage(value)}
}

func add(t *testing.T, s credential.Store, kind string, r credential.Record) {
	t.Helper()
	if err := s.AddCredential(t.Context(), kind, r); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s credential.Store, kind string, wanted ...credential.Record) {
	t.Helper()
	got, err := s.Credentials(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		got = nil
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error("records of kind " + kind + ":\n" + diff)
	}
}

func testRoundTrip(t *testing.T, h Harness) {
	s := h.Open(t).Store
	want(t, s, "key")
	add(t, s, "key", record("b", `{"name":"厨房"}`, 0))
	add(t, s, "key", record("a", `{"name":"till"}`, 9)) // the store counts, not the caller
	add(t, s, "secret", record("a", `[1,2]`, 0))
	want(t, s, "key", record("a", `{"name":"till"}`, 1), record("b", `{"name":"厨房"}`, 1))
	want(t, s, "secret", record("a", `[1,2]`, 1))
	want(t, s, "ke")
}

func testExists(t *testing.T, h Harness) {
	s := h.Open(t).Store
	add(t, s, "key", record("a", `1`, 0))
	if err := s.AddCredential(t.Context(), "key", record("a", `2`, 1)); !errors.Is(err, credential.ErrExists) {
		t.Errorf("adding an id again: %v", err)
	}
	want(t, s, "key", record("a", `1`, 1))
}

func testReplace(t *testing.T, h Harness) {
	s := h.Open(t).Store
	if err := s.ReplaceCredential(t.Context(), "key", record("a", `0`, 0)); !errors.Is(err, credential.ErrChanged) {
		t.Errorf("replacing what is not there: %v", err)
	}
	add(t, s, "key", record("a", `0`, 0))
	for revision := uint64(1); revision < 12; revision++ { // 9 to 10 would reveal a comparison as text
		if err := s.ReplaceCredential(t.Context(), "key", record("a", fmt.Sprint(revision), revision)); err != nil {
			t.Fatal(err)
		}
	}
	for _, revision := range []uint64{0, 1, 11, 13} {
		if err := s.ReplaceCredential(t.Context(), "key", record("a", `99`, revision)); !errors.Is(err, credential.ErrChanged) {
			t.Errorf("replacing revision %d: %v", revision, err)
		}
	}
	want(t, s, "key", record("a", `11`, 12))
}

// race calls f from several goroutines, again while the store is busy, and returns how many succeeded.
func race(t *testing.T, refusal error, f func(n int) error) int64 {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			err := f(n)
			for tries := 0; err != nil && fault.ClassOf(err) == fault.Infra && tries < 100; tries++ {
				err = f(n)
			}
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, refusal) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return won.Load()
}

func testOneAdds(t *testing.T, h Harness) {
	s := h.Open(t).Store
	won := race(t, credential.ErrExists, func(n int) error { return s.AddCredential(t.Context(), "key", record("a", fmt.Sprint(n), 0)) })
	if won != 1 {
		t.Errorf("%d added the same id", won)
	}
}

func testOneReplaces(t *testing.T, h Harness) {
	s := h.Open(t).Store
	add(t, s, "key", record("a", `0`, 0))
	for revision := uint64(1); revision < 5; revision++ {
		won := race(t, credential.ErrChanged, func(n int) error {
			return s.ReplaceCredential(t.Context(), "key", record("a", fmt.Sprint(n), revision))
		})
		if won != 1 {
			t.Errorf("%d replaced revision %d", won, revision)
		}
	}
}

func testCopies(t *testing.T, h Harness) {
	s := h.Open(t).Store
	r := record("a", `"before"`, 0)
	add(t, s, "key", r)
	copy(r.Value, `"CHANGE"`)
	got, err := s.Credentials(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	copy(got[0].Value, `"CHANGE"`)
	want(t, s, "key", record("a", `"before"`, 1))
}

func testCancelled(t *testing.T, h Harness) {
	s := h.Open(t).Store
	add(t, s, "key", record("a", `1`, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Credentials(ctx, "key")
	for what, err := range map[string]error{
		"reading": err, "adding": s.AddCredential(ctx, "key", record("b", `1`, 0)), "replacing": s.ReplaceCredential(ctx, "key", record("a", `2`, 1)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s after the end of its context: %v", what, err)
		}
	}
	want(t, s, "key", record("a", `1`, 1))
}

func testReopen(t *testing.T, h Harness) {
	opened := h.Open(t)
	add(t, opened.Store, "key", record("a", `1`, 0))
	if opened.Reopen == nil {
		return // no promise in this case
	}
	s := opened.Reopen(t)
	want(t, s, "key", record("a", `1`, 1))
	if err := s.ReplaceCredential(t.Context(), "key", record("a", `2`, 1)); err != nil {
		t.Fatal(err)
	}
	want(t, s, "key", record("a", `2`, 2))
}
