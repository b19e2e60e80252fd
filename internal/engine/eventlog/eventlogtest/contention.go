package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gakushoku/internal/engine/eventlog"
)

// testOneWinner commits concurrently on the same head: the log then has the segment whose commit succeeded,
// and no part of the others.
func testOneWinner(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	var log []eventlog.Manifest
	for round := range uint64(5) {
		first := round*3 + 1
		won := make(chan eventlog.Commit, 8)
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				c := batch(first, 3, fmt.Sprintf("%c%d", 'a'+n, round))
				switch err := commit(t.Context(), s, c); {
				case err == nil:
					won <- c
				case !errors.Is(err, eventlog.ErrHeadMoved):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Fatalf("%d commits moved the head from %d", len(won), first-1)
		}
		winner := <-won
		log = append(log, winner.Manifest)
		for n := range 8 {
			source, want := fmt.Sprintf("%c%d", 'a'+n, round), eventlog.Claim{}
			if source == winner.Source {
				want = eventlog.Claim{Records: 3, First: first}
			}
			wantClaim(t, s, source, want)
		}
	}
	wantHead(t, s, log...)
}

// commit commits, and repeats that if the outcome is unknown; its own claim then counts as success.
func commit(ctx context.Context, s eventlog.Ledger, c eventlog.Commit) error {
	tries := 0
	err := again(ctx, func() error { tries++; return s.Commit(ctx, c) })
	if tries == 1 || !errors.Is(err, eventlog.ErrClaimed) {
		return err
	}
	manifests, readErr := s.Manifests(ctx, c.Manifest.First-1, 1)
	if readErr == nil && len(manifests) == 1 && manifests[0].Key == c.Manifest.Key {
		return nil
	}
	return errors.Join(err, readErr)
}

// testOneClaimer commits the same batch concurrently, each commit on the head it reads: the batch is in the
// log once, whichever won.
func testOneClaimer(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	for round := range 5 {
		source := fmt.Sprintf("batch-%d", round)
		var won atomic.Int64
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				err := commitOnHead(t.Context(), s, 2, source, fmt.Sprintf("r%d-%d", round, n))
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, eventlog.ErrClaimed) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 6 committed the batch", won.Load())
		}
	}
	wantDense(t, s, 5, 10)
}

// commitOnHead commits on the head that it reads, and repeats that if the head has moved.
func commitOnHead(ctx context.Context, s eventlog.Ledger, count int, source, name string) error {
	const tries = 10_000
	for range tries {
		var head eventlog.Head
		if err := again(ctx, func() (err error) { head, err = s.Head(ctx); return err }); err != nil {
			return err
		}
		c := eventlog.Commit{Manifest: segment(head.Number+1, count, name), Source: source, Records: count}
		if err := commit(ctx, s, c); !errors.Is(err, eventlog.ErrHeadMoved) {
			return err
		}
	}
	return fmt.Errorf("%d tries to commit %s failed", tries, source)
}

func testContention(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	const archivers, batches = 6, 8
	var all sync.WaitGroup
	for n := range archivers {
		all.Go(func() {
			for i := range batches {
				if err := commitOnHead(t.Context(), s, 1+i%3, fmt.Sprintf("%d/%d", n, i), fmt.Sprintf("a%d-%d", n, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	events := 0
	for i := range batches {
		events += archivers * (1 + i%3)
	}
	wantDense(t, s, archivers*batches, events)
	for n := range archivers {
		for i := range batches {
			claim, err := s.Claimed(t.Context(), fmt.Sprintf("%d/%d", n, i))
			if err != nil || claim.Records != 1+i%3 {
				t.Errorf("the claim of %d/%d is %+v, %v", n, i, claim, err)
			}
		}
	}
}

// wantDense checks that there are that many segments of that many events each, without holes.
func wantDense(t *testing.T, s eventlog.Ledger, segments, events int) {
	t.Helper()
	manifests := allManifests(t, s, 0, 10)
	next := uint64(1)
	keys := map[string]bool{}
	for _, m := range manifests {
		if m.First != next || keys[m.Key] {
			t.Errorf("segment %s has the events %d to %d, the next is %d", m.Key, m.First, m.Last, next)
		}
		next, keys[m.Key] = m.Last+1, true
	}
	head := mustHead(t, s)
	if len(manifests) != segments || next != uint64(events)+1 || head.Number != uint64(events) || head.Segments != uint64(segments) {
		t.Errorf("%d segments with %d events and the head %+v, want %d and %d", len(manifests), next-1, head, segments, events)
	}
}
