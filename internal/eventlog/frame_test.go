package eventlog_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"gakushoku/internal/eventlog"
)

// forged compresses lines so that the header says their size, or does not.
func forged(t *testing.T, lines []byte, sized bool) []byte {
	t.Helper()
	var object bytes.Buffer
	w, err := zstd.NewWriter(&object)
	if err != nil {
		t.Fatal(err)
	}
	if sized {
		return w.EncodeAll(lines, nil)
	}
	for rest := lines; len(rest) > 0; rest = rest[min(len(rest), 1<<20):] {
		if _, err := w.Write(rest[:min(len(rest), 1<<20)]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return object.Bytes()
}

// TestAForgedFrameOfAnOldSegmentIsNotInflated has manifests that do not tell the digest of a frame.
func TestAForgedFrameOfAnOldSegmentIsNotInflated(t *testing.T) {
	t.Parallel()
	large := append(bytes.Repeat([]byte("x"), 40<<20), '\n')
	half := forged(t, large[:300], true)
	for name, compressed := range map[string][]byte{
		"that says its size":         forged(t, large, true),
		"that does not say its size": forged(t, large, false),
		"that is many small ones":    bytes.Repeat(half, 1000),
		"that is nothing":            nil,
		"that is cut off":            half[:len(half)-3],
	} {
		for _, raw := range []int64{400, 0} { // 0: of plans that do not say it
			m := eventlog.Manifest{First: 1, Last: 1, RawBytes: raw}
			lines, err := m.DecodeFrame(eventlog.Frame{Count: 1, Length: int64(len(compressed))}, compressed, make([]byte, 0, 100))
			if err == nil || !strings.Contains(err.Error(), "it cannot be decompressed") && !strings.Contains(err.Error(), "1 were written") {
				t.Errorf("a frame %s, of %d bytes: %d bytes, %v", name, raw, len(lines), err)
			}
		}
	}
	m := eventlog.Manifest{First: 1, Last: 1}
	if _, err := m.DecodeFrame(eventlog.Frame{Count: 1}, forged(t, large, true), nil); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("what a frame says about its size is not believed before memory is taken: %v", err)
	}
}

func TestAFrameThatDoesNotSayItsSizeIsReadUpToWhatWasWritten(t *testing.T) {
	t.Parallel()
	lines := append(bytes.Repeat([]byte("x"), 3<<20), '\n')
	m := eventlog.Manifest{First: 1, Last: 5, RawBytes: int64(len(lines))}
	got, err := m.DecodeFrame(eventlog.Frame{Count: 1}, forged(t, lines[2<<20+1:], false), nil)
	if err != nil || !bytes.Equal(got, lines[2<<20+1:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
