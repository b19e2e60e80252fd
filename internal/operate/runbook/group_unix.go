//go:build unix

package runbook

import (
	"os/exec"
	"syscall"
)

// stopTogether lets a command that is stopped take with it what it has started: each in its own
// time, so that nothing is left half done.
func stopTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
}
