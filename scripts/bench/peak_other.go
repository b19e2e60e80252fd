//go:build !unix

package main

import (
	"os"
	"time"
)

var began = time.Now()

// ownTime is what a clock shows: the time of the processors is not known here.
func ownTime() time.Duration { return time.Since(began) }

// peakMemory is not known here.
func peakMemory(*os.ProcessState) int64 { return 0 }
