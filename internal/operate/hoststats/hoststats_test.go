package hoststats

import (
	"math"
	"runtime"
	"testing"
)

func TestTheDiskIsLookedAt(t *testing.T) {
	t.Parallel()
	v := Watch(t.TempDir()).Look()
	if !(v.Disk >= 0 && v.Disk <= 1) {
		t.Errorf("the disk is %v", v.Disk)
	}
	if linux := runtime.GOOS == "linux"; linux != (v.Memory > 0 && v.Memory < 1) {
		t.Errorf("the memory is %v", v.Memory)
	}
	if v := Watch("/nowhere/at/all").Look(); !math.IsNaN(v.Disk) {
		t.Errorf("a disk that is not there is %v", v.Disk)
	}
}

func TestProcessors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		stat       string
		busy, idle float64
		ok         bool
	}{
		{"cpu  100 5 20 800 40 1 2 3 90 0\ncpu0 1 1 1 1\n", 131, 840, true},
		{"cpu  100 0 20 800 40\n", 120, 840, true},
		{"cpu  100 0 20 800\n", 0, 0, false}, {"", 0, 0, false}, {"intr 1 2 3 4 5 6\n", 0, 0, false}, {"cpu a b c d e f\n", 0, 0, false},
	} {
		if busy, idle, ok := processors([]byte(test.stat)); busy != test.busy || idle != test.idle || ok != test.ok {
			t.Errorf("%q: %v %v %v", test.stat, busy, idle, ok)
		}
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	all, available := meminfo([]byte("MemTotal:        8000 kB\nMemFree:  100 kB\n\nMemAvailable:    2000 kB\n"))
	if all != 8000 || available != 2000 || part(all-available, all) != 0.75 {
		t.Error(all, available)
	}
	if all, _ := meminfo(nil); !math.IsNaN(part(0, all)) {
		t.Error("an empty file tells of memory")
	}
}
