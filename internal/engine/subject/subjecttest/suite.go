// Package subjecttest tests what subject.Keys promises, for every adapter.
package subjecttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// TestKeys tests a store of keys. open returns a new store, and how to open the same one again.
func TestKeys(t *testing.T, open func(t *testing.T) (subject.Keys, func() subject.Keys)) {
	for name, run := range map[string]func(*testing.T, subject.Keys, func() subject.Keys){
		"a subject gets one key and keeps it":           testAdded,
		"of many that add a key one wins":               testRace,
		"an erased key is gone and leaves a tombstone":  testErased,
		"a second erasure changes nothing":              testErasedTwice,
		"a subject without a key can be erased":         testErasedBefore,
		"tombstones are listed in the order of subject": testTombstones,
		"odd subjects are kept apart":                   testOdd,
		"a cancelled call says so":                      testCancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, again := open(t)
			run(t, keys, again)
		})
	}
}

func keyOf(text string) (k subject.Key) {
	copy(k[:], strings.Repeat(text+"\x00", subject.KeyBytes))
	return k
}

func wantKey(t *testing.T, keys subject.Keys, who string, want subject.Key, wantErr error) {
	t.Helper()
	if got, err := keys.Key(t.Context(), who); got != want || !errors.Is(err, wantErr) {
		t.Errorf("the key of %q is %x, %v, want %x, %v", who, got, err, want, wantErr)
	}
}

func mustAdd(t *testing.T, keys subject.Keys, who string, key, want subject.Key) {
	t.Helper()
	if got, err := keys.Add(t.Context(), who, key); err != nil || got != want {
		t.Errorf("adding a key of %q gives %x, %v, want %x", who, got, err, want)
	}
}

func erase(t *testing.T, keys subject.Keys, who string, at, want event.Instant, first bool) {
	t.Helper()
	got, did, err := keys.Erase(t.Context(), who, at)
	if err != nil || did != first || got != (subject.Tombstone{Subject: who, At: want}) {
		t.Errorf("erasing %q gives %+v, %t, %v", who, got, did, err)
	}
}

func testAdded(t *testing.T, keys subject.Keys, again func() subject.Keys) {
	wantKey(t, keys, "a", subject.Key{}, subject.ErrNoKey)
	mustAdd(t, keys, "a", keyOf("1"), keyOf("1"))
	mustAdd(t, keys, "a", keyOf("2"), keyOf("1"))
	wantKey(t, keys, "a", keyOf("1"), nil)
	wantKey(t, keys, "b", subject.Key{}, subject.ErrNoKey)
	wantKey(t, again(), "a", keyOf("1"), nil)
}

func testRace(t *testing.T, keys subject.Keys, _ func() subject.Keys) {
	var group sync.WaitGroup
	got := make([]subject.Key, 8)
	for i := range got {
		group.Go(func() {
			var err error
			if got[i], err = keys.Add(t.Context(), "a", keyOf(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, key := range got {
		wantKey(t, keys, "a", key, nil)
	}
}

func testErased(t *testing.T, keys subject.Keys, again func() subject.Keys) {
	mustAdd(t, keys, "a", keyOf("1"), keyOf("1"))
	mustAdd(t, keys, "b", keyOf("2"), keyOf("2"))
	erase(t, keys, "a", 1000, 1000, true)
	for _, store := range []subject.Keys{keys, again()} {
		wantKey(t, store, "a", subject.Key{}, subject.ErrErased)
		wantKey(t, store, "b", keyOf("2"), nil)
		if _, err := store.Add(t.Context(), "a", keyOf("3")); !errors.Is(err, subject.ErrErased) {
			t.Errorf("a new key for who was erased: %v", err)
		}
	}
}

func testErasedTwice(t *testing.T, keys subject.Keys, again func() subject.Keys) {
	mustAdd(t, keys, "a", keyOf("1"), keyOf("1"))
	erase(t, keys, "a", 1000, 1000, true)
	erase(t, keys, "a", 2000, 1000, false)
	erase(t, again(), "a", 3000, 1000, false)
}

func testErasedBefore(t *testing.T, keys subject.Keys, _ func() subject.Keys) {
	erase(t, keys, "a", 1000, 1000, true)
	wantKey(t, keys, "a", subject.Key{}, subject.ErrErased)
}

func testTombstones(t *testing.T, keys subject.Keys, _ func() subject.Keys) {
	mustAdd(t, keys, "c", keyOf("1"), keyOf("1"))
	var want []subject.Tombstone
	if got, err := keys.Erased(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	for i, who := range []string{"a", "b", "d"} {
		want = append(want, subject.Tombstone{Subject: who, At: event.Instant(1000 * (i + 1))})
	}
	for _, i := range []int{2, 0, 1} {
		erase(t, keys, want[i].Subject, want[i].At, want[i].At, true)
	}
	got, err := keys.Erased(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func testOdd(t *testing.T, keys subject.Keys, _ func() subject.Keys) {
	odd := []string{"学食", "a b", "A", "a", "a#b", "auth0|5f7c8ec7", "https://id.example/u?x=1", strings.Repeat("s", 256)}
	for i, who := range odd {
		mustAdd(t, keys, who, keyOf(fmt.Sprint(i)), keyOf(fmt.Sprint(i)))
	}
	for i, who := range odd {
		wantKey(t, keys, who, keyOf(fmt.Sprint(i)), nil)
	}
}

func testCancelled(t *testing.T, keys subject.Keys, _ func() subject.Keys) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := keys.Key(ctx, "a")
	_, err2 := keys.Add(ctx, "a", subject.Key{})
	_, _, err3 := keys.Erase(ctx, "a", 1)
	_, err4 := keys.Erased(ctx)
	for _, err := range []error{err, err2, err3, err4} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	wantKey(t, keys, "a", subject.Key{}, subject.ErrNoKey)
}
