package eventlog_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
)

// goldenLink is a manifest as it was once written, and the chain's hash of the log up to it.
type goldenLink struct {
	Manifest json.RawMessage `json:"manifest"`
	Hash     string          `json:"hash"`
}

const chainGolden = "testdata/chain.json"

func TestTheChainOfStoredManifestsStaysTheSame(t *testing.T) {
	if *update {
		writeChain(t)
	}
	var links []goldenLink
	if err := json.Unmarshal(readFile(t, chainGolden), &links); err != nil {
		t.Fatal(err)
	}
	var c eventlog.Chain
	for i, link := range links {
		var m eventlog.Manifest
		if err := json.Unmarshal(link.Manifest, &m); err != nil {
			t.Fatal(err)
		}
		if err := c.Add(&m); err != nil || c.Hash != link.Hash {
			t.Errorf("manifest %d: the hash is %s, it was %s: every signed checkpoint relies on it; %v", i, c.Hash, link.Hash, err)
		}
	}
	if c.Since != 4 || c.Without != 1 {
		t.Errorf("%+v", c)
	}
}

func TestEveryFieldOfAManifestIsInTheChain(t *testing.T) {
	t.Parallel()
	good := linked(t)
	want := good[1].Hash(good[1].Previous)
	for name, change := range map[string]func(m *eventlog.Manifest){
		"first":    func(m *eventlog.Manifest) { m.First++ },
		"last":     func(m *eventlog.Manifest) { m.Last++ },
		"key":      func(m *eventlog.Manifest) { m.Key += "x" },
		"bytes":    func(m *eventlog.Manifest) { m.Bytes++ },
		"raw":      func(m *eventlog.Manifest) { m.RawBytes++ },
		"digest":   func(m *eventlog.Manifest) { m.SHA256 = "00" },
		"frame":    func(m *eventlog.Manifest) { m.Frames = append(m.Frames, eventlog.Frame{}) },
		"oldest":   func(m *eventlog.Manifest) { m.OldestAt++ },
		"newest":   func(m *eventlog.Manifest) { m.NewestAt++ },
		"created":  func(m *eventlog.Manifest) { m.CreatedAt++ },
		"previous": func(m *eventlog.Manifest) { m.Previous = eventlog.Genesis },
	} {
		changed := good[1]
		change(&changed)
		if changed.Hash(changed.Previous) == want {
			t.Errorf("a change of %s is not noticed", name)
		}
	}
}

func TestABrokenChainNamesTheSegment(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(m []eventlog.Manifest) []eventlog.Manifest{
		"a changed segment":   func(m []eventlog.Manifest) []eventlog.Manifest { m[0].SHA256 = strings.Repeat("0", 64); return m },
		"another previous":    func(m []eventlog.Manifest) []eventlog.Manifest { m[1].Previous = strings.Repeat("0", 64); return m },
		"one that is missing": func(m []eventlog.Manifest) []eventlog.Manifest { return m[1:] },
	} {
		var c eventlog.Chain
		var broken []string
		manifests := spoil(linked(t))
		for i := range manifests {
			if err := c.Add(&manifests[i]); err != nil {
				broken = append(broken, err.Error())
				if !errors.Is(err, eventlog.ErrChainBroken) {
					t.Error(err)
				}
			}
		}
		if len(broken) != 1 || !strings.Contains(broken[0], "at segment 4") {
			t.Errorf("%s: %q", name, broken)
		}
	}
}

// linked returns the manifests of a log of two segments.
func linked(t *testing.T) []eventlog.Manifest {
	t.Helper()
	l := newLog()
	for _, batch := range [][]eventlog.Record{records("a", 0, 3), records("b", 0, 5)} {
		if _, err := l.archiver(l.ledger, l.blobs).Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	manifests, err := l.ledger.Manifests(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

func TestAnArchiverGoesOnWithALogFromBeforeTheChain(t *testing.T) {
	t.Parallel()
	l := newLog()
	old := linked(t)[:1]
	old[0].Previous = ""
	if err := l.ledger.Restore(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := l.archiver(l.ledger, l.blobs).Commit(t.Context(), records(string(rune('c'+i)), 0, 2)); err != nil {
			t.Fatal(err)
		}
	}
	head, err := l.ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := eventlog.ChainOf(t.Context(), l.ledger, head.Number)
	if diff := cmp.Diff(eventlog.Chain{Hash: head.Chain, Since: 4, Without: 1}, c); diff != "" || err != nil {
		t.Errorf("%v (-head +read):\n%s", err, diff)
	}
}

// writeChain writes the golden file: a log that began before there was a chain.
func writeChain(t *testing.T) {
	t.Helper()
	manifests := linked(t)
	manifests[0].Previous, manifests[0].Frames[0].SHA256 = "", ""
	var c eventlog.Chain
	var links []goldenLink
	for i := range manifests {
		m := &manifests[i]
		if i > 0 {
			m.Previous = c.Hash
		}
		if err := c.Add(m); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, goldenLink{encoded, c.Hash})
	}
	data, err := json.MarshalIndent(links, "", "  ")
	if err == nil {
		err = os.WriteFile(chainGolden, append(data, '\n'), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
