//go:build unix

package main

import (
	"strings"
	"testing"
)

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
	contains(t, ok(t, "projection", "status", "-d", dir), "builds orders-v2: cut off in Approve, ", `"projection rebuild orders --resume last" goes on with it`)
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "orders-v2", "Verify", "cut off in Approve")
	call(t, "projection", "approve", "orders", "-d", dir).wants(t, exitFailed, "was cut off in Approve: nobody works on it", "--resume last")
	call(t, "projection", "approve", "orders", "--wait", "-d", dir).wants(t, exitFailed, "was cut off in Approve: nobody works on it")
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

// soakKilled is a data folder with a rebuild that was killed in its soak.
func soakKilled(t *testing.T) string {
	t.Helper()
	dir := seeded(t)
	kill(t, "reproject:switch", "projection", "rebuild", "orders", "--soak", "24h", "-d", dir)
	contains(t, ok(t, "projection", "status", "-d", dir), "has switched: readers are on orders-v2, cut off in ", "--resume last")
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "switched, cut off in ")
	return dir
}

func TestASoakThatWasKilledIsResumed(t *testing.T) {
	t.Parallel()
	dir := soakKilled(t)
	run := start(t, "projection", "rebuild", "orders", "--resume", "last", "-d", dir)
	for out := ""; !strings.Contains(out, "soaking until"); out = ok(t, "projection", "list", "-d", dir) {
		if t.Context().Err() != nil {
			t.Fatal("it never went on")
		}
	}
	call(t, "projection", "rebuild", "orders", "--resume", "last", "-d", dir).wants(t, exitFailed, "is going on in another process")
	ok(t, "projection", "cleanup", "orders", "-d", dir)
	if code := <-run.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, run.err.String())
	}
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "done")
}

func TestASoakThatWasKilledIsAbandonedOrCleanedUp(t *testing.T) {
	t.Parallel()
	dir := soakKilled(t)
	contains(t, ok(t, "projection", "abandon", "orders", "-d", dir), "is abandoned after its switch: nothing is dropped")
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "switched, then: abandoned by the operator")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 2 || versions["1"] != "previous" || versions["2"] != "active" {
		t.Errorf("versions: %v", versions)
	}
	dir = soakKilled(t)
	contains(t, ok(t, "projection", "cleanup", "orders", "-d", dir), "dropped orders-v1")
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "done")
	contains(t, ok(t, "projection", "abandon", "orders", "-d", dir), "none was cut off")
}
