package eventlog_test

import (
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"gakushoku/internal/event"
)

// A frame with other bytes is refused though it decompresses and has as many lines.
func TestASegmentThatWasChangedStopsItsReader(t *testing.T) {
	t.Parallel()
	l := written(t, 1)
	manifests, err := l.ledger.Manifests(t.Context(), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	m := manifests[0]
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := l.blobs.Get(t.Context(), m.Key)
	if err != nil {
		t.Fatal(err)
	}
	f := m.Frames[0]
	bomb := encoder.EncodeAll([]byte(strings.Repeat(" ", 39<<20)+strings.Repeat("\n", f.Count)), nil)
	if err := l.blobs.Put(t.Context(), m.Key, append(append([]byte{}, bomb[:min(len(bomb), int(f.Length))]...), data[min(len(bomb), int(f.Length)):]...)); err != nil {
		t.Fatal(err)
	}
	err = l.reader().Events(t.Context(), 0, m.Last, func(uint64, *event.Event) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "it is not what was written") || !strings.Contains(err.Error(), m.Key) || !strings.Contains(err.Error(), "archive verify --deep") {
		t.Errorf("got %v", err)
	}
}
