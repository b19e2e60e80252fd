package eventlogtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"gakushoku/internal/engine/eventlog"
)

func testCreate(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	create := func(data string) error {
		return again(t.Context(), func() error { return s.Create(t.Context(), someKey, []byte(data)) })
	}
	for range 2 { // the second is the repeat of a call whose response was lost
		if err := create("first"); err != nil {
			t.Fatal(err)
		}
	}
	for _, data := range []string{"other", "", "first and more"} {
		wantErr(t, "create where another object is", create(data), eventlog.ErrExists)
	}
	wantBlob(t, s, someKey, []byte("first"))
	mustPut(t, s, someKey+"2", []byte("put"))
	wantErr(t, "create where an object was put", s.Create(t.Context(), someKey+"2", []byte("x")), eventlog.ErrExists)
	mustDelete(t, s, someKey)
	if err := create("again"); err != nil {
		t.Errorf("create where one was deleted: %v", err)
	}
	wantBlob(t, s, someKey, []byte("again"))
	if err := s.Create(t.Context(), "../a", []byte("x")); err == nil {
		t.Error("a key that is none was taken")
	}
}

// testOneCreator creates one object from many goroutines at once.
func testOneCreator(t *testing.T, h Blobs) {
	s := h.Open(t).Store
	const writers = 8
	for round := range 5 {
		key := fmt.Sprintf("manifests/%d.json", round)
		var won [writers]bool
		var all sync.WaitGroup
		for n := range writers {
			all.Go(func() {
				err := again(t.Context(), func() error { return s.Create(t.Context(), key, fmt.Appendf(nil, "writer %d", n)) })
				if won[n] = err == nil; err != nil && !errors.Is(err, eventlog.ErrExists) {
					t.Errorf("writer %d: %v", n, err)
				}
			})
		}
		all.Wait()
		winner := -1
		for n := range won {
			switch {
			case won[n] && winner >= 0:
				t.Errorf("writers %d and %d both created %s", winner, n, key)
			case won[n]:
				winner = n
			}
		}
		wantBlob(t, s, key, fmt.Appendf(nil, "writer %d", winner))
	}
}
