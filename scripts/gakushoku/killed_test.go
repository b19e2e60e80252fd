//go:build unix

package main

import "testing"

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
