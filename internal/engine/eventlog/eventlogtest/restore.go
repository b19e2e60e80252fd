package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"gakushoku/internal/engine/eventlog"
)

func mustRestore(t *testing.T, s eventlog.Ledger, manifests []eventlog.Manifest) {
	t.Helper()
	if err := s.Restore(t.Context(), manifests); err != nil {
		t.Fatalf("restore of %d manifests: %v", len(manifests), err)
	}
}

func testRestore(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	mustRestore(t, s, nil)
	wantHead(t, s)
	all := chain(5)
	mustRestore(t, s, all)
	wantHead(t, s, all...)
	head := mustHead(t, s).Number
	wantErr(t, "a commit behind the head", s.Commit(t.Context(), batch(head, 3, "a")), eventlog.ErrHeadMoved)
	next := batch(head+1, 3, "a")
	mustCommit(t, s, next)
	wantHead(t, s, append(all, next.Manifest)...)
}

func testRestoreRepeated(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := chain(9)
	mustCommit(t, s, eventlog.Commit{Manifest: all[0], Source: "a", Records: 1})
	for _, part := range [][]eventlog.Manifest{all[:4], all[:4], all[2:4], nil, all[4:6], all[3:8], all[:9], all[:2], all[8:]} {
		mustRestore(t, s, part)
	}
	wantHead(t, s, all...)
	wantClaim(t, s, "a", eventlog.Claim{Records: 1, First: 1})
}

// testRestoreMany restores more manifests than fit into one transaction of any store.
func testRestoreMany(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := chain(250)
	mustRestore(t, s, all[:120])
	mustRestore(t, s, all)
	wantHead(t, s, all...)
}

func testRestoreNoFit(t *testing.T, h Ledger) {
	all := chain(8)
	changed := func(at int, change func(m *eventlog.Manifest)) []eventlog.Manifest {
		other := chain(8)
		change(&other[at])
		return other
	}
	there := all[:3]
	for name, manifests := range map[string][]eventlog.Manifest{
		"a hole behind the head":           all[4:],
		"a hole further on":                slices.Concat(all[3:4], all[5:]),
		"one twice":                        slices.Concat(all[3:5], all[4:6]),
		"a wrong sequence":                 {all[4], all[3]},
		"another object":                   changed(1, func(m *eventlog.Manifest) { m.Key += "x" }),
		"another digest at the head":       changed(2, func(m *eventlog.Manifest) { m.SHA256 = "00" }),
		"another time":                     changed(0, func(m *eventlog.Manifest) { m.CreatedAt++ }),
		"another frame":                    changed(2, func(m *eventlog.Manifest) { m.Frames[0].Partition++ }),
		"one that contradicts itself":      changed(5, func(m *eventlog.Manifest) { m.Frames[0].Count++ }),
		"other partitions":                 changed(5, func(m *eventlog.Manifest) { m.Partitions = 8 }),
		"another cut":                      {segment(2, 4, "other"), segment(6, 4, "other2")},
		"one across the head":              {segment(all[2].Last, 4, "across")},
		"one that covers all and the rest": {segment(1, 100, "covers")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := h.Open(t).Store
			mustRestore(t, s, there)
			wantErr(t, "restore", s.Restore(t.Context(), manifests), eventlog.ErrNoFit)
			wantHead(t, s, there...)
		})
	}
}

func testRestoreConcurrent(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := chain(120)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			if err := restore(t.Context(), s, all); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	wantSame(t, "the manifests", all, allManifests(t, s, 0, 100))
	wantDense(t, s, len(all), int(all[len(all)-1].Last))
}

// restore repeats a restore as long as that may help.
func restore(ctx context.Context, s eventlog.Ledger, manifests []eventlog.Manifest) error {
	const tries = 10_000
	for range tries {
		err := again(ctx, func() error { return s.Restore(ctx, manifests) })
		if !errors.Is(err, eventlog.ErrHeadMoved) {
			return err
		}
	}
	return fmt.Errorf("%d tries to restore failed", tries)
}

// testRestoreBesideCommits runs archivers during a restore: whichever is first, no number is assigned twice
// or left out.
func testRestoreBesideCommits(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := chain(60)
	mustRestore(t, s, all[:20])
	var running sync.WaitGroup
	running.Go(func() {
		if err := restore(t.Context(), s, all); err != nil && !errors.Is(err, eventlog.ErrNoFit) {
			t.Error(err)
		}
	})
	for n := range 3 {
		running.Go(func() {
			for i := range 5 {
				if err := commitOnHead(t.Context(), s, 2, fmt.Sprintf("%d/%d", n, i), fmt.Sprintf("b%d-%d", n, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	head := mustHead(t, s)
	wantDense(t, s, int(head.Segments), int(head.Number))
	manifests := allManifests(t, s, 0, 100)
	wantSame(t, "what was there before", all[:20], manifests[:20])
	if len(manifests) < 35 {
		t.Errorf("%d segments: commits are lost", len(manifests))
	}
}
