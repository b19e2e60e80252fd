package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	engine "gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

func TestProcessesOfAFolderWithoutOrdersWaitForNothing(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	contains(t, ok(t, "process", "list", "-d", dir), "Nothing waits for a step.")
	contains(t, ok(t, "process", "list", "--stuck", "-d", dir), "Nothing is stuck.")
	if got := ok(t, "process", "list", "--json", "-d", dir); got != "" {
		t.Errorf("printed %q, want nothing", got)
	}
	for _, command := range []string{"show", "redrive", "compensate"} {
		call(t, "process", command, "order-none", "-d", dir).wants(t, exitUsage, "order-none", "process list")
	}
}

func TestWhatWaitsIsListedWithItsFailures(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &program{ctx: context.Background(), stdout: &printed{Writer: &out}}
	l := &waitingList{program: p, table: newTable(p.stdout, "")}
	at := event.InstantOfMilli(1_769_212_800_000)
	for _, tried := range []projection.Tried{{}, {Attempts: 2, Error: "no\nanswer", Again: at}, {Attempts: 10, Error: "no answer", Stuck: at}} {
		if err := l.add(engine.Waiting{Process: "chasing", Stream: "loan-l1", Version: 3, Task: projection.Task{Task: model.Task{Step: "remind", Due: at}, Tried: tried}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.end(false); err != nil {
		t.Fatal(err)
	}
	contains(t, out.String(), "PROCESS", "waits", "again at 2026-01-24T00:00:00.000Z", "stuck since 2026-01-24T00:00:00.000Z")
	if lines := strings.Count(out.String(), "\n"); lines != 4 {
		t.Errorf("%d lines, want a heading and 3 streams:\n%s", lines, out.String())
	}
}
