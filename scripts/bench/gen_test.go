package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/event"
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
	r, err := replay.FromReader(t.Context(), bytes.NewReader(log), replay.Options{Definition: readmodel.Orders()})
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
