//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// ownTime returns the CPU time of this program, which other work on the machine affects less than wall-clock
// time.
func ownTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakMemory returns the maximum resident memory of an ended process in bytes.
func peakMemory(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // in bytes on macOS, in KiB elsewhere
	}
	return int64(usage.Maxrss) << 10
}
