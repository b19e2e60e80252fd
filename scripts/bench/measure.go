package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// measurement holds the resources that one run of a program used.
type measurement struct {
	wall time.Duration
	cpu  time.Duration // user and system, all cores
	peak int64         // maximum resident memory in bytes; 0 if the system does not report it
}

// measure runs a program to its end. The caller sets its standard output and error. If standard error is not
// set, an error includes its end.
func measure(ctx context.Context, name string, cmd *exec.Cmd) (measurement, error) {
	var complaint bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &complaint
	}
	started := time.Now()
	err := cmd.Run()
	wall := time.Since(started)
	if ctx.Err() != nil {
		return measurement{}, ctx.Err()
	}
	if err != nil {
		text := bytes.TrimSpace(complaint.Bytes())
		return measurement{}, fmt.Errorf("%s: %w: %s", name, err, text[max(0, len(text)-500):])
	}
	state := cmd.ProcessState
	return measurement{wall: wall, cpu: state.UserTime() + state.SystemTime(), peak: peakMemory(state)}, nil
}

// median returns the median of each figure separately; all must not be empty.
func median(all []measurement) measurement {
	return measurement{
		wall: medianOf(all, func(m measurement) time.Duration { return m.wall }),
		cpu:  medianOf(all, func(m measurement) time.Duration { return m.cpu }),
		peak: medianOf(all, func(m measurement) int64 { return m.peak }),
	}
}

// cacheDir returns where suites keep generated and downloaded files; .gitignore excludes it.
func cacheDir(name string) (string, error) {
	if _, err := os.Stat("go.mod"); err != nil {
		return "", fmt.Errorf("run this in the folder of go.mod: %w", err)
	}
	dir := ".cache/bench/" + name
	return dir, os.MkdirAll(dir, 0o755)
}
