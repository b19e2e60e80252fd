package eventlog_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
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
		"that is nothing":            nil,
		"that is cut off":            half[:len(half)-3],
	} {
		for _, raw := range []int64{400, 0} { // 0: of plans that do not say it
			m := eventlog.Manifest{First: 1, Last: 1, RawBytes: raw}
			lines, err := m.DecodeFrame(eventlog.Frame{Count: 1, Length: int64(len(compressed))}, compressed, make([]byte, 0, 100))
			if err == nil || !strings.Contains(err.Error(), "it cannot be decompressed") {
				t.Errorf("a frame %s, of %d bytes: %d bytes, %v", name, raw, len(lines), err)
			}
		}
	}
	m := eventlog.Manifest{First: 1, Last: 1}
	if lines, err := m.DecodeFrame(eventlog.Frame{Count: 1}, bytes.Repeat(half, 1000), nil); err == nil {
		t.Errorf("a frame that is many small ones: %d bytes", len(lines))
	}
	if _, err := m.DecodeFrame(eventlog.Frame{Count: 1}, forged(t, large, true), nil); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("what a frame says about its size is not believed before memory is taken: %v", err)
	}
}

func TestAFrameThatDoesNotSayItsSizeIsReadUpToWhatWasWritten(t *testing.T) {
	t.Parallel()
	lines := append(bytes.Repeat([]byte("x"), 3<<20), '\n')
	for _, raw := range []int64{int64(len(lines)), 1 << 20, 0} { // 0: of plans that do not say it
		m := eventlog.Manifest{First: 1, Last: 5, RawBytes: raw}
		got, err := m.DecodeFrame(eventlog.Frame{Count: 1}, forged(t, lines[2<<20+1:], false), nil)
		if err != nil || !bytes.Equal(got, lines[2<<20+1:]) {
			t.Errorf("of %d: %d bytes, %v", raw, len(got), err)
		}
	}
}

func TestAnObjectIsReadUpToTheSizeOfItsKind(t *testing.T) {
	t.Parallel()
	for key, most := range map[string]int64{
		"segments/2026-01-24/a.jsonl.zst": eventlog.MaxObjectBytes,
		"runs/orders/r1/run.json":         eventlog.MaxObjectBytes,
		eventlog.ManifestKey(1):           eventlog.MaxManifestBytes,
		"archive.json":                    eventlog.MaxManifestBytes,
	} {
		if err := eventlog.CheckSize(key, most); err != nil {
			t.Errorf("%s of %d bytes: %v", key, most, err)
		}
		if err := eventlog.CheckSize(key, most+1); !errors.Is(err, eventlog.ErrTooLarge) {
			t.Errorf("%s of %d bytes: %v", key, most+1, err)
		}
	}
}

func TestEventsThatNoFrameHasRoomForMakeNoSegment(t *testing.T) {
	t.Parallel()
	e := records("s", 0, 1)[0].Event
	e.Payload = bytes.Repeat([]byte("1"), eventlog.MaxFrameBytes)
	err := eventlog.Remake(t.Context(), newLog().blobs, &eventlog.Manifest{}, []event.Event{e})
	if err == nil || errors.Is(err, eventlog.ErrOtherEvents) || !strings.Contains(err.Error(), "archive fewer at once") {
		t.Errorf("got %v", err)
	}
}

func TestLinesOfAnObjectWithoutAManifestAreReadToItsEndOrFail(t *testing.T) {
	t.Parallel()
	object, enough := forged(t, []byte("a\nb\nc\n"), true), errors.New("enough")
	for name, test := range map[string]struct {
		object []byte
		stop   string
		want   string
		fails  bool
	}{
		"whole":        {object, "", "abc", false},
		"stopped":      {object, "b", "ab", true},
		"cut off":      {object[:len(object)-3], "", "", true},
		"none":         {nil, "", "", false},
		"another kind": {[]byte("lunch at noon"), "", "", true},
	} {
		got := ""
		err := eventlog.EachLine(test.object, func(line []byte) error {
			if got += string(line); test.stop == string(line) {
				return enough
			}
			return nil
		})
		if (err != nil) != test.fails || !strings.HasPrefix(got, test.want) || errors.Is(err, enough) != (test.stop != "") {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
	}
}
