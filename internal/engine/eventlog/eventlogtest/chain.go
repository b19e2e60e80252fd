package eventlogtest

import (
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
)

// linked returns the manifests of chain, each of which names the hash of the log before it.
func linked(segments int) []eventlog.Manifest {
	all := chain(segments)
	var c eventlog.Chain
	for i := range all {
		link(&c, &all[i])
	}
	return all
}

// link lets a manifest follow on a chain.
func link(c *eventlog.Chain, m *eventlog.Manifest) {
	if m.Previous = c.Hash; m.Previous == "" {
		m.Previous = eventlog.Genesis
	}
	c.Add(m) //nolint:errcheck // it was made to follow
}

func commitOf(m eventlog.Manifest, source string) eventlog.Commit {
	return eventlog.Commit{Manifest: m, Source: source, Records: 1}
}

func testChain(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := linked(4)
	var c eventlog.Chain
	for i := range all {
		mustCommit(t, s, commitOf(all[i], fmt.Sprint("s", i)))
		if err := c.Add(&all[i]); err != nil {
			t.Fatal(err)
		}
		wantSame(t, "the chain of the head", c.Hash, mustHead(t, s).Chain)
	}
	wantHead(t, s, all...)
}

func testOtherChain(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := linked(3)
	mustCommit(t, s, commitOf(all[0], "a"))
	mustCommit(t, s, commitOf(all[1], "b"))
	for name, previous := range map[string]string{
		"the hash before the last": all[1].Previous, "another hash": strings.Repeat("ab", 32), "none": "", "that of an empty log": eventlog.Genesis,
	} {
		other := all[2]
		other.Previous = previous
		wantErr(t, "a commit that names "+name, s.Commit(t.Context(), commitOf(other, "c")), eventlog.ErrHeadMoved)
	}
	wantClaim(t, s, "c", eventlog.Claim{})
	mustCommit(t, s, commitOf(all[2], "c"))
	wantHead(t, s, all...)
	spoilt := all[2]
	spoilt.Previous = "no hash"
	if err := s.Commit(t.Context(), commitOf(spoilt, "d")); err == nil {
		t.Error("a commit with a text that is no hash was taken")
	}
}

func testChainBegins(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := chain(5)
	var c eventlog.Chain
	for i := range all {
		if i >= 3 {
			link(&c, &all[i])
		} else if err := c.Add(&all[i]); err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, commitOf(all[i], fmt.Sprint("s", i)))
	}
	wantHead(t, s, all...)
	wantSame(t, "the chain of the head", c.Hash, mustHead(t, s).Chain)
	read, err := eventlog.ChainOf(t.Context(), s, all[4].Last)
	wantErr(t, "reading the chain", err, nil)
	wantSame(t, "the chain", eventlog.Chain{Hash: c.Hash, Since: all[3].First, Without: 3}, read)
}

func testRestoreChain(t *testing.T, h Ledger) {
	s := h.Open(t).Store
	all := linked(8)
	mustRestore(t, s, all[:3])
	wantHead(t, s, all[:3]...)
	for name, at := range map[string]int{"at the head": 3, "further on": 5} {
		other := linked(8)
		other[at].Previous = strings.Repeat("ab", 32)
		wantErr(t, "a restore that is not linked "+name, s.Restore(t.Context(), other), eventlog.ErrNoFit)
		wantHead(t, s, all[:3]...)
	}
	mustRestore(t, s, all)
	wantHead(t, s, all...)
}
