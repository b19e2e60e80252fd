//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
)

// kill runs the program until a text comes in its log, and ends it as a power cut would.
func kill(t *testing.T, text string, args ...string) {
	t.Helper()
	runUntil(t, text, syscall.SIGKILL, args...)() // a dead process holds no locks: wait until it is gone
}

// runUntil runs the program until a text comes in its log, and sends it a signal then. The function that it
// returns ends the program for good.
func runUntil(t *testing.T, text string, signal syscall.Signal, args ...string) (end func()) {
	t.Helper()
	cmd, _, _ := process(t, args...)
	stderr := &output{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		cmd.Process.Kill() //nolint:errcheck // it may be dead already
		cmd.Wait()         //nolint:errcheck // it was killed
	}
	signalled := &running{err: stderr, out: &output{}, ended: make(chan int)}
	signalled.eventually(t, stderr, text)
	if err := cmd.Process.Signal(signal); err != nil {
		end()
		t.Fatal(err)
	}
	return end
}

// Who waits for the question can tell whether it comes, without reading texts. A server with the folder makes
// the run wait after Join, and the run is halted there, so nothing depends on how long the call takes.
func TestEarlyApprovalExitsWithNotYet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags []string
		code  int
		says  string
	}{
		"it will wait":       {[]string{"--approve"}, exitNotYet, "not yet: run "},
		"it will never wait": {nil, exitFailed, "was started without --approve"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := seeded(t)
			server := start(t, serving(dir)...)
			server.eventually(t, server.out, " from ")
			end := runUntil(t, "reproject:join", syscall.SIGSTOP, append([]string{"projection", "rebuild", "orders", "-d", dir}, test.flags...)...)
			call(t, "projection", "approve", "orders", "--show", "-d", dir).wants(t, test.code, test.says, "it is in Join")
			end()
			server.stop()
			<-server.ended
		})
	}
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
