//go:build !unix

package main

import (
	"os"
	"time"
)

var began = time.Now()

// ownTime returns wall-clock time, since CPU time is unknown on this system.
func ownTime() time.Duration { return time.Since(began) }

// peakMemory returns 0, since it is unknown on this system.
func peakMemory(*os.ProcessState) int64 { return 0 }
