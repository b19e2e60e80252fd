//go:build unix

package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestMaintenanceMayBeKilled ends maintenance at moments that nothing chooses, beside a server, and then finds
// everything in order.
func TestMaintenanceMayBeKilled(t *testing.T) {
	skipWhenShort(t)
	t.Parallel()
	dir := archived(t)
	server := start(t, serving(dir)...)
	server.eventually(t, server.out, " from ")
	for range 10 {
		cmd, _, _ := process(t, "maintenance", "run", "-d", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(400 * time.Millisecond))
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	}
	ok(t, "maintenance", "run", "-d", dir)
	ok(t, "events", "verify", "--deep", "-d", dir)
	ok(t, "archive", "verify", "--deep", "-d", dir)
	ok(t, "projection", "verify", "orders", "-d", dir)
	server.stop()
	ok(t, "events", "verify", "-d", dir)
}
