//go:build !unix

package sqlite_test

import (
	"testing"
	"time"
)

// cpuTime is not known here: the benchmarks then report only how long something took.
func cpuTime(*testing.B) time.Duration { return 0 }
