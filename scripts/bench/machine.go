package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine describes the machine of the measurements and how busy it was: other work on the machine makes all
// figures worse, but not equally.
func machine() string {
	text := fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return text // only Linux has this file
	}
	fields := strings.Fields(string(raw))
	text += ", load " + strings.Join(fields[:min(3, len(fields))], " ")
	if load, err := strconv.ParseFloat(fields[0], 64); err == nil && load > 1.5*float64(runtime.NumCPU()) {
		text += " (busy: compare figures of one run only)"
	}
	return text
}
