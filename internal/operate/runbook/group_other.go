//go:build !unix

package runbook

import "os/exec"

// stopTogether does nothing: on this system, only the command itself is stopped.
func stopTogether(*exec.Cmd) {}
