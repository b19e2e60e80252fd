package eventlog_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/store/memory"
)

var update = flag.Bool("update", false, "write the golden segment anew: only when the format has changed on purpose")

const golden = "testdata/segment"

// goldenBatch is what the golden segment is made of.
func goldenBatch() []eventlog.Record {
	batch := records("golden", 0, 20)
	batch[3].Event.Payload = []byte(`{"orderId":"o1", "名前":"学食\n","total":1}`)
	batch[4].Event.Actor = "user-7"
	return batch
}

// putGolden commits the batch behind three events and returns its segment's manifest.
func putGolden(t *testing.T, l *log) eventlog.Manifest {
	t.Helper()
	a := l.archiver(l.ledger, l.blobs)
	for _, batch := range [][]eventlog.Record{records("before", 0, 3), goldenBatch()} {
		if _, err := a.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	manifests, err := l.ledger.Manifests(t.Context(), 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	return manifests[0]
}

// TestStoredSegmentsStayReadable has a segment and its manifest as they were once written: they
// must be read as ever, and what is written today must be the same lines in the same places.
// The compressed bytes may differ.
func TestStoredSegmentsStayReadable(t *testing.T) {
	t.Parallel()
	l := newLog()
	m := putGolden(t, l)
	object, err := l.blobs.Get(t.Context(), m.Key)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeGolden(t, l, &m, object)
	}
	stored := readFile(t, golden+".jsonl.zst")
	var manifest eventlog.Manifest
	if err := json.Unmarshal(readFile(t, golden+".manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	lines := readFile(t, golden+".jsonl")
	for name, object := range map[string][]byte{"stored": stored, "written today": object} {
		if got := decompress(t, object); !bytes.Equal(lines, got) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(string(lines), string(got)))
		}
	}
	old := &eventlog.Reader{Ledger: fixed{manifests: []eventlog.Manifest{manifest}}, Blobs: holding(t, manifest.Key, stored)}
	var frames []byte
	for _, f := range manifest.Frames {
		got, err := old.ReadFrame(t.Context(), &manifest, f, nil)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, got...)
	}
	if !bytes.Equal(lines, frames) {
		t.Errorf("the frames have\n%s", frames)
	}
	manifest.Bytes, manifest.SHA256, manifest.Previous = m.Bytes, m.SHA256, m.Previous // it is from before the chain
	for i := range manifest.Frames {
		manifest.Frames[i].Offset, manifest.Frames[i].Length = m.Frames[i].Offset, m.Frames[i].Length
		manifest.Frames[i].SHA256 = m.Frames[i].SHA256 // the stored one is older than that
	}
	if diff := cmp.Diff(manifest, m); diff != "" {
		t.Errorf("the manifest (-stored +written today):\n%s", diff)
	}
}

func TestKeysSortAsNumbersDo(t *testing.T) {
	t.Parallel()
	if got := eventlog.ManifestKey(1); got != "manifests/00000000000000000001.json" {
		t.Error(got)
	}
	if eventlog.ManifestKey(9) >= eventlog.ManifestKey(10) || eventlog.ManifestKey(1<<63) >= eventlog.ManifestKey(1<<64-1) {
		t.Error("keys do not sort")
	}
}

func TestStreamsStayInTheirPartition(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]uint64{"order-o1": 0x7bef5686e4ba6260, "": 0xcbf29ce484222325 ^ 0xcbf29ce4, "order-学食": 0x9b1a2d5a32c49bb5} {
		if got := eventlog.HashOf(stream); got != want {
			t.Errorf("the hash of %q is %#x, it was %#x: every stored log is ordered by it", stream, got, want)
		}
	}
	var counts [eventlog.Partitions]int
	for _, r := range records("spread", 0, 7) {
		counts[eventlog.PartitionOf(r.Event.Stream)]++
	}
	if counts[0] == 7 {
		t.Error("all streams are in one partition")
	}
}

// decompress does what the ordinary tool does: one frame after another.
func decompress(t *testing.T, object []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func writeGolden(t *testing.T, l *log, m *eventlog.Manifest, object []byte) {
	t.Helper()
	manifest, err := l.blobs.Get(t.Context(), eventlog.ManifestKey(m.First))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(golden), 0o750); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{".jsonl.zst": object, ".manifest.json": manifest, ".jsonl": decompress(t, object)} {
		if err := os.WriteFile(golden+name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func holding(t *testing.T, key string, data []byte) *memory.Blobs {
	t.Helper()
	s := memory.NewBlobs()
	if err := s.Put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
	return s
}
