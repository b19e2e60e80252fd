//go:build unix

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// served is a data folder with these events, and a server on it whose read model is up to date.
func served(t *testing.T, events string) (dir, url string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	ok(t, "events", "import", put(t, "events.jsonl", events), "-d", dir)
	server := start(t, "serve", "-d", dir, "--addr", "127.0.0.1:0")
	t.Cleanup(func() {
		server.stop()
		<-server.ended
	})
	url = strings.Fields(server.eventually(t, server.out, " from "))[2]
	for deadline := time.Now().Add(time.Minute); !strings.Contains(ok(t, "projection", "status", "-d", dir), "up to date"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the read model never came up to date")
		}
	}
	return dir, url
}

// runbook runs the commands of a runbook as an operator would who pastes them.
func runbook(t *testing.T, name string, settings ...string) string {
	t.Helper()
	bin, work := t.TempDir(), t.TempDir()
	wrapper := "#!/bin/sh\n" + asProgram + "=1 exec '" + os.Args[0] + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "gakushoku"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("../readme-commands")
	if err != nil {
		t.Fatal(err)
	}
	book, err := filepath.Abs("../../infra/runbooks/" + name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, script, book)
	cmd.Dir, cmd.Env = work, append(append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH")), settings...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestRunbookOfTheSwitch(t *testing.T) {
	t.Parallel()
	dir, url := served(t, seed)
	damage(t, dir, "order-o1", unpaid)
	out := runbook(t, "switch.md", "GAKUSHOKU_DATA="+dir, "CANTEEN="+url, "ORDER=o1")
	contains(t, out, "1 different", "nothing was written", "against version 1: 0 same, 1 changed", "is approved", "orders-v2, which replaces version 1",
		"It is sound.", "readers see orders-v1", "readers see orders-v2", "dropped orders-v1")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 || versions["2"] != "active" {
		t.Errorf("left: %v", versions)
	}
	contains(t, ok(t, "explain", "orders", "o1", "-d", dir), `"status":"PAID"`, "It is what the events say.")
}

func TestRunbookOfAFailedRun(t *testing.T) {
	t.Parallel()
	dir, url := served(t, seed+poison)
	call(t, "projection", "rebuild", "orders", "-d", dir).wants(t, exitFailed, "cannot be folded to their end")
	kill(t, "reproject:join", "projection", "rebuild", "orders", "--allow-parked", "1", "-d", dir)
	out := runbook(t, "failed-run.md", "GAKUSHOKU_DATA="+dir, "CANTEEN="+url, "POISONED=bad")
	contains(t, out, "failed: ", "going on, or cut off", "orders-v3, which replaces version 1", "no run of orders is going on", "parked   1",
		"set aside since", "orders-v4, which replaces version 3", "2 rows still set aside", "It is sound.")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 || versions["5"] != "active" {
		t.Errorf("left: %v", versions)
	}
}

// kill runs the program until a text comes in its log, and ends it as a power cut would.
func kill(t *testing.T, text string, args ...string) {
	t.Helper()
	cmd, _, _ := process(t, args...)
	stderr := &output{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := &running{err: stderr, out: &output{}, ended: make(chan int)}
	killed.eventually(t, stderr, text)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

func TestARebuildThatWasKilledIsResumed(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	kill(t, "reproject:approve", "projection", "rebuild", "orders", "--approve", "-d", dir)
	contains(t, ok(t, "projection", "status", "-d", dir), "builds orders-v2: Verify done")
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "orders-v2", "Verify", "going on, or cut off")
	run := start(t, "projection", "rebuild", "orders", "--resume", "last", "-d", dir)
	run.eventually(t, run.err, "reproject:approve")
	ok(t, "projection", "approve", "orders", "-d", dir)
	if code := <-run.ended; code != exitDone {
		t.Fatalf("exit %d: %s", code, run.err.String())
	}
	contains(t, run.out.String(), "orders-v2, which replaces version 1")
	call(t, "projection", "rebuild", "orders", "--resume", "last", "-d", dir).wants(t, exitFailed, "no run of orders is under way")
}

func TestAbandonClearsARebuildThatWasKilled(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	kill(t, "reproject:approve", "projection", "rebuild", "orders", "--approve", "-d", dir)
	contains(t, ok(t, "projection", "abandon", "orders", "-d", dir), "is abandoned, orders-v2 is dropped")
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "failed: abandoned by the operator")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 || versions["1"] != "active" {
		t.Errorf("left: %v", versions)
	}
}
