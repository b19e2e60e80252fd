// Package sealtest tests what seal.Signer promises, for every adapter.
package sealtest

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"gakushoku/internal/engine/seal"
)

// TestSigner tests a signer. open opens the same key each time it is called in one test.
func TestSigner(t *testing.T, open func(t *testing.T) func() seal.Signer) {
	t.Run("a signature fits the message and no other", func(t *testing.T) { testFits(t, open(t)()) })
	t.Run("the key is the same when it is opened again", func(t *testing.T) { testSame(t, open(t)) })
	t.Run("many may sign at once, from the first use on", func(t *testing.T) { testMany(t, open(t)) })
	t.Run("a cancelled call says so", func(t *testing.T) { testCancelled(t, open(t)()) })
}

// idOf returns the id of a signer's key, which must be of a kind that is trusted.
func idOf(t *testing.T, s seal.Signer) (string, seal.Keys) {
	t.Helper()
	public, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := seal.Keys{}
	if err := keys.Add(public); err != nil {
		t.Fatal(err)
	}
	text, err := seal.EncodePublic(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.ParsePublic(text); err != nil || len(keys) != 1 {
		t.Fatalf("the key as PEM gives %d keys, %v", len(keys), err)
	}
	id, err := seal.KeyID(public)
	if err != nil {
		t.Fatal(err)
	}
	return id, keys
}

func testFits(t *testing.T, s seal.Signer) {
	id, keys := idOf(t, s)
	for _, message := range [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("x"), 4096)} {
		signature, err := s.Sign(t.Context(), message)
		if err != nil {
			t.Fatal(err)
		}
		if !seal.Verify(keys[id], message, signature) {
			t.Errorf("the signature of %d bytes does not fit", len(message))
		}
		if seal.Verify(keys[id], append(message, 'x'), signature) {
			t.Error("it fits another message too")
		}
		signature[len(signature)/2] ^= 1
		if seal.Verify(keys[id], message, signature) {
			t.Error("a changed signature fits")
		}
	}
}

func testSame(t *testing.T, open func() seal.Signer) {
	first, _ := idOf(t, open())
	if second, _ := idOf(t, open()); first != second {
		t.Errorf("the key %s became %s", first, second)
	}
}

func testMany(t *testing.T, open func() seal.Signer) {
	var group sync.WaitGroup
	signatures := make([][]byte, 8)
	for i := range signatures {
		group.Go(func() {
			var err error
			if signatures[i], err = open().Sign(t.Context(), []byte("one")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	id, keys := idOf(t, open())
	for _, signature := range signatures {
		if !seal.Verify(keys[id], []byte("one"), signature) {
			t.Error("two callers have signed with different keys")
		}
	}
}

func testCancelled(t *testing.T, s seal.Signer) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sign(ctx, []byte("one")); err == nil {
		t.Error("it signs after it was cancelled")
	}
}
