package eventlogtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

func testLedgerEmpty(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	wantHead(t, s)
	wantClaim(t, s, "1", eventlog.Claim{})
	wantSame(t, "manifests beyond the end", []eventlog.Manifest(nil), allManifests(t, s, 1000, 10))
}

func testCommit(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	one, two, three := batch(1, 3, "a"), batch(4, 1, "d"), batch(5, 10_000, "e")
	two.Records = 7 // as if some of the events had already been in the log
	mustCommit(t, s, one)
	wantHead(t, s, one.Manifest)
	mustCommit(t, s, two)
	mustCommit(t, s, three)
	wantHead(t, s, one.Manifest, two.Manifest, three.Manifest)
	wantClaim(t, s, "a", eventlog.Claim{Records: 3, First: 1})
	wantClaim(t, s, "d", eventlog.Claim{Records: 7, First: 4})
	wantClaim(t, s, "e", eventlog.Claim{Records: 10_000, First: 5})
	wantClaim(t, s, "b", eventlog.Claim{}) // within a batch
}

func testHeadMoved(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	wantErr(t, "beyond the head of an empty log", s.Commit(t.Context(), batch(2, 3, "a")), eventlog.ErrHeadMoved)
	one := batch(1, 3, "a")
	mustCommit(t, s, one)
	for _, first := range []uint64{1, 2, 3, 5, 1000} {
		wantErr(t, fmt.Sprintf("from %d on behind 3", first), s.Commit(t.Context(), batch(first, 3, "d")), eventlog.ErrHeadMoved)
	}
	wantHead(t, s, one.Manifest)
}

func testCommitRepeated(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	one, two := batch(1, 3, "a"), batch(4, 2, "d")
	mustCommit(t, s, one)
	wantErr(t, "at once", s.Commit(t.Context(), one), eventlog.ErrClaimed)
	mustCommit(t, s, two)
	for range 2 {
		wantErr(t, "later", s.Commit(t.Context(), one), eventlog.ErrClaimed)
		wantErr(t, "the last one", s.Commit(t.Context(), two), eventlog.ErrClaimed)
	}
	wantHead(t, s, one.Manifest, two.Manifest)
}

func testClaimedFirst(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	one := batch(1, 3, "a")
	mustCommit(t, s, one)
	for _, first := range []uint64{1, 2, 4, 9} {
		wantErr(t, fmt.Sprintf("a claimed batch from %d on", first), s.Commit(t.Context(), batch(first, 5, "a")), eventlog.ErrClaimed)
	}
	wantHead(t, s, one.Manifest)
	wantClaim(t, s, "a", eventlog.Claim{Records: 3, First: 1})
}

func testRefusedLeavesNothing(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	one := batch(1, 3, "a")
	mustCommit(t, s, one)
	wantErr(t, "late", s.Commit(t.Context(), batch(1, 9, "d")), eventlog.ErrHeadMoved)
	wantClaim(t, s, "d", eventlog.Claim{}) // otherwise its next try would be lost
	two := batch(4, 9, "d")
	mustCommit(t, s, two)
	wantHead(t, s, one.Manifest, two.Manifest)
	wantClaim(t, s, "d", eventlog.Claim{Records: 9, First: 4})
}

func testCommitInvalid(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	for name, spoil := range map[string]func(*eventlog.Commit){
		"no source":               func(c *eventlog.Commit) { c.Source = "" },
		"no records":              func(c *eventlog.Commit) { c.Records = 0 },
		"no object":               func(c *eventlog.Commit) { c.Manifest.Key = "" },
		"a key that is none":      func(c *eventlog.Commit) { c.Manifest.Key = "../x" },
		"no events":               func(c *eventlog.Commit) { c.Manifest.Last = 0 },
		"the event 0":             func(c *eventlog.Commit) { c.Manifest.First = 0 },
		"other partitions":        func(c *eventlog.Commit) { c.Manifest.Partitions++ },
		"no frames":               func(c *eventlog.Commit) { c.Manifest.Frames = nil },
		"a frame beyond the last": func(c *eventlog.Commit) { c.Manifest.Frames[1].Count++ },
		"a frame beyond the end":  func(c *eventlog.Commit) { c.Manifest.Frames[1].Length++ },
	} {
		c := batch(1, 3, "a")
		spoil(&c)
		if err := s.Commit(t.Context(), c); err == nil {
			t.Errorf("a commit with %s was taken", name)
		}
	}
	for _, limit := range []int{0, -1} {
		if _, err := s.Manifests(t.Context(), 0, limit); err == nil {
			t.Errorf("at most %d manifests were taken", limit)
		}
	}
	wantHead(t, s)
	wantClaim(t, s, "a", eventlog.Claim{})
}

// testOddSources uses the record names of DynamoDB streams, and other unusual ones.
func testOddSources(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	sources := []string{
		"49598630142999655949899443842509554952738656579378741250", "4959863014299965594989944384250955495273865657937874125", "0", "00", "学食 #1", "a/b", "A/B", "a/b ", strings.Repeat("s", 200), "fix-01K#2",
	}
	for i, source := range sources {
		mustCommit(t, s, batch(uint64(i)+1, 1, source))
	}
	for i, source := range sources {
		wantClaim(t, s, source, eventlog.Claim{Records: 1, First: uint64(i) + 1})
	}
	wantClaim(t, s, "a", eventlog.Claim{})
}

func testClaimsKept(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	old := batch(1, 3, "old")
	mustCommit(t, s, old)
	late := batch(4, 3, "late")
	late.Manifest.CreatedAt = old.Manifest.CreatedAt + event.Instant(eventlog.ClaimsKept.Milliseconds()) - 1000
	mustCommit(t, s, late)
	wantClaim(t, s, "old", eventlog.Claim{Records: 3, First: 1})
	wantErr(t, "the old one again", s.Commit(t.Context(), batch(7, 3, "old")), eventlog.ErrClaimed)
}

func testManifestRoundTrip(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	var frames []eventlog.Frame
	first, offset := uint64(1), int64(0)
	for p := range eventlog.Partitions {
		f := eventlog.Frame{Partition: p, Offset: offset, Length: 1<<34 + int64(p), First: first, Count: 1 << 20}
		frames = append(frames, f)
		first, offset = first+uint64(f.Count), offset+f.Length
	}
	large := eventlog.Manifest{
		First: 1, Last: first - 1, Key: "segments/2026-01-24/01KDEADBEEF.jsonl.zst", Bytes: offset, RawBytes: 1 << 50, SHA256: strings.Repeat("f0", 32),
		Partitions: eventlog.Partitions, Frames: frames, OldestAt: event.InstantOfMilli(-62135596800000), NewestAt: event.InstantOfMilli(253402300799999), CreatedAt: began,
	}
	mustCommit(t, s, eventlog.Commit{Manifest: large, Source: "a", Records: 1 << 40})
	wantHead(t, s, large)
	wantClaim(t, s, "a", eventlog.Claim{Records: 1 << 40, First: 1})
}

func testManifestsPaged(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := chain(25) // above 9, comparing segments and numbers as text would fail
	for i, m := range all {
		mustCommit(t, s, eventlog.Commit{Manifest: m, Source: fmt.Sprint("s", i), Records: 1})
	}
	last := all[len(all)-1].Last
	for after := range last + 2 {
		var want []eventlog.Manifest
		for _, m := range all {
			if m.Last > after {
				want = append(want, m)
			}
		}
		for _, limit := range []int{1, 7, 100} {
			wantSame(t, fmt.Sprintf("manifests after %d by %d", after, limit), want, allManifests(t, s, after, limit))
		}
	}
}

func testLedgerCopies(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	one := batch(1, 3, "a")
	mustCommit(t, s, one)
	one.Manifest.Frames[0].Count = 99
	read, err := s.Manifests(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	read[0].Frames[1].Count = 99
	wantHead(t, s, batch(1, 3, "a").Manifest)
	other := h.Open(t).Store
	restored := []eventlog.Manifest{batch(1, 3, "a").Manifest}
	mustRestore(t, other, restored)
	restored[0].Frames[0].Count = 99
	wantHead(t, other, batch(1, 3, "a").Manifest)
}

func testLedgerCancelled(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	one := batch(1, 3, "a")
	mustCommit(t, s, one)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Head(ctx)
	wantErr(t, "head", err, context.Canceled)
	_, err = s.Claimed(ctx, "a")
	wantErr(t, "claimed", err, context.Canceled)
	_, err = s.Manifests(ctx, 0, 1)
	wantErr(t, "manifests", err, context.Canceled)
	wantErr(t, "commit", s.Commit(ctx, batch(4, 3, "d")), context.Canceled)
	wantErr(t, "restore", s.Restore(ctx, []eventlog.Manifest{segment(4, 3, "d")}), context.Canceled)
	wantHead(t, s, one.Manifest)
	wantClaim(t, s, "d", eventlog.Claim{})
}

func testLedgerReopen(t *testing.T, h Ledger) {
	opened := h.Open(t)
	one, two := batch(1, 3, "a"), batch(4, 2, "d")
	mustCommit(t, opened.Store, one)
	if opened.Reopen == nil {
		return // no promise in this case
	}
	s := opened.Reopen(t)
	wantHead(t, s, one.Manifest)
	wantErr(t, "the commit again", s.Commit(t.Context(), one), eventlog.ErrClaimed)
	mustCommit(t, s, two)
	wantHead(t, s, one.Manifest, two.Manifest)
	wantClaim(t, s, "a", eventlog.Claim{Records: 3, First: 1})
}
