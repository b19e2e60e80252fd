package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/replay"
)

func madeUp(t *testing.T, events int, seed uint64) []byte {
	t.Helper()
	var log bytes.Buffer
	if err := writeLog(t.Context(), &log, events, seed); err != nil {
		t.Fatal(err)
	}
	return log.Bytes()
}

func TestTheSameSeedMakesTheSameLog(t *testing.T) {
	t.Parallel()
	log := madeUp(t, 2000, 7)
	if !bytes.Equal(log, madeUp(t, 2000, 7)) {
		t.Error("two logs of one seed differ")
	}
	if !bytes.HasPrefix(log, madeUp(t, 1000, 7)) {
		t.Error("a longer log begins differently")
	}
	if bytes.Equal(log, madeUp(t, 2000, 8)) {
		t.Error("another seed makes no difference")
	}
}

func TestALogIsOneThatACanteenCouldHave(t *testing.T) {
	t.Parallel()
	const events = 20_000
	log := madeUp(t, events, 1)
	var last event.Instant
	for i, line := range bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n")) {
		var e event.Event
		if err := errors.Join(event.Decode(line, &e), event.Check(&e)); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if e.OccurredAt < last || e.Version != 0 || bytes.Contains(line, []byte(`"schema"`)) {
			t.Fatalf("line %d: %s", i+1, line)
		}
		last = e.OccurredAt
	}
	r, err := replay.FromReader(t.Context(), bytes.NewReader(log), replay.Options{Definition: projection.Orders()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Applied != events || len(r.Parked) > 0 || len(r.Gaps) > 0 {
		t.Errorf("%d of %d events applied, %v parked", r.Applied, events, r.Parked)
	}
	if perOrder := float64(events) / float64(r.Len()); perOrder < 2 || perOrder > 5 {
		t.Errorf("%.1f events an order", perOrder)
	}
	if size := len(log) / events; size < 190 || size > 240 {
		t.Errorf("%d bytes an event", size)
	}
}

func TestALogThatWasNotFinishedIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	if err := writeLogFile(ctx, path, 10, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("writeLogFile = %v", err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMedianTakesTheMiddleOfEachFigure(t *testing.T) {
	t.Parallel()
	got := median([]measurement{{wall: 3, cpu: 1, peak: 10}, {wall: 1, cpu: 3, peak: 30}, {wall: 2, cpu: 2, peak: 20}})
	if want := (measurement{wall: 2, cpu: 2, peak: 20}); got != want {
		t.Errorf("median = %+v, want %+v", got, want)
	}
}

func TestTheTableComparesWhatLogsAsMuch(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printRace(&out, []contender{{name: "ours", ours: true}, {name: "ours, logging", ours: true, logs: true}, {name: "node"}, {name: "node, logging", logs: true}},
		[][]measurement{{{wall: 1e9, peak: 1e6}}, {{wall: 2e9, peak: 1e6}}, {{wall: 6e9, peak: 4e6}}, {{wall: 20e9, peak: 4e6}}}, 1000)
	for _, want := range []string{"| node                             |        167 |      0.00 |         4 |      6.0 x |    0.25 x |", "     10.0 x |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
