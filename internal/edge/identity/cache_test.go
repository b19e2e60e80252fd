package identity

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/fault"
)

// shelf counts how often it is loaded, and fails when it is to.
type shelf struct {
	loads atomic.Int64
	fails atomic.Bool
	takes time.Duration
	mu    sync.Mutex
	books []string
}

func (s *shelf) load(context.Context) ([]string, error) {
	s.loads.Add(1)
	time.Sleep(s.takes)
	if s.fails.Load() {
		return nil, errors.New("the shelf is closed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.books), nil
}

func (s *shelf) cache() *cache[[]string] {
	return newCache(&cache[[]string]{load: s.load, now: time.Now, fresh: time.Minute, usable: time.Hour, pause: 10 * time.Second, again: 2 * time.Second})
}

func with(book string) func([]string) bool {
	return func(books []string) bool { return slices.Contains(books, book) }
}

func TestAStormOfUnknownsLoadsOnceInEachPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{books: []string{"a"}, takes: time.Second}
		c := s.cache()
		for range 35 { // a storm each second
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if got, err := c.get(t.Context(), with("unknown")); err != nil || !slices.Equal(got, s.books) {
						t.Errorf("%v, %v", got, err)
					}
				})
			}
			wg.Wait()
			time.Sleep(time.Second)
		}
		if n := s.loads.Load(); n > 5 {
			t.Errorf("3500 requests in 40 seconds led to %d loads, want one each 10 seconds", n)
		}
	})
}

func TestSomethingNewIsFoundAfterThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{books: []string{"a"}}
		c := s.cache()
		get := func(book string) []string {
			got, err := c.get(t.Context(), with(book))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		get("a")
		s.books = []string{"b"}
		if got := get("b"); slices.Contains(got, "b") {
			t.Error("it was loaded again before the pause was over")
		}
		time.Sleep(10 * time.Second)
		if got := get("a"); !slices.Contains(got, "a") {
			t.Error("what is there was loaded again although it is fresh")
		}
		if got := get("b"); !slices.Contains(got, "b") {
			t.Error("what is new was not found after the pause")
		}
		time.Sleep(time.Minute)
		s.books = nil
		if got := get("b"); len(got) > 0 {
			t.Error("what is gone is still there after a minute")
		}
	})
}

func TestAValueStaysUsableWhileLoadingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{books: []string{"a"}}
		c := s.cache()
		s.fails.Store(true)
		if _, err := c.get(t.Context(), with("a")); fault.ClassOf(err) != fault.Infra || fault.RetryAfter(err) == 0 {
			t.Errorf("nothing was ever loaded: %v", err)
		}
		s.fails.Store(false)
		if _, err := c.get(t.Context(), with("a")); err == nil {
			t.Error("it tried again at once")
		}
		time.Sleep(2 * time.Second)
		if _, err := c.get(t.Context(), with("a")); err != nil {
			t.Error(err)
		}
		s.fails.Store(true)
		time.Sleep(time.Hour - time.Second)
		if got, err := c.get(t.Context(), with("a")); err != nil || len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
		time.Sleep(3 * time.Second)
		if _, err := c.get(t.Context(), with("a")); fault.ClassOf(err) != fault.Infra {
			t.Errorf("an hour old: %v", err)
		}
	})
}

func TestWhoLeavesDoesNotSpoilTheLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{books: []string{"a"}, takes: time.Second}
		c := s.cache()
		left, leave := context.WithCancel(t.Context())
		leave()
		if got, err := c.get(left, with("a")); err == nil && len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := c.get(t.Context(), with("a")); err != nil || len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
