//go:build unix

package runbook

import (
	"os/exec"
	"syscall"
)

// stopTogether makes stopping a command also stop the processes that it has started. Each process ends in an
// orderly way, so nothing is left half done.
func stopTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
}
