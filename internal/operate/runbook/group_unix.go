//go:build unix

package runbook

import (
	"os/exec"
	"syscall"
)

// stopTogether makes stopping a command also stop what it has started: each process ends in order,
// so that nothing is left half done.
func stopTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
}
