// Package hoststats measures how much of the machine is in use: processors and memory on Linux, including
// Lambda, and the disk everywhere.
package hoststats

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"sync"

	"gakushoku/internal/observe"
	"gakushoku/internal/store/files"
)

// Watcher measures the machine repeatedly. It is safe for concurrent use.
type Watcher struct {
	path       string // on the disk
	mu         sync.Mutex
	busy, idle float64 // of the processors at the last Look
}

// Watch returns a Watcher of the machine and of the disk that contains path.
func Watch(path string) *Watcher {
	w := &Watcher{path: path}
	w.cpu() // processor use is measured between two calls
	return w
}

// Look returns what is in use. Processor use is measured since the last Look.
func (w *Watcher) Look() observe.Vitals {
	return observe.Vitals{CPU: w.cpu(), Memory: memory(), Disk: disk(w.path)}
}

func (w *Watcher) cpu() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return math.NaN()
	}
	busy, idle, ok := processors(text)
	if !ok {
		return math.NaN()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	worked, all := busy-w.busy, busy+idle-w.busy-w.idle
	w.busy, w.idle = busy, idle
	return part(worked, all)
}

// memory returns the share of memory that is not available to a process.
func memory() float64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return math.NaN()
	}
	all, free := meminfo(text)
	return part(all-free, all)
}

func disk(path string) float64 {
	all, free, err := files.DiskSpace(path)
	if err != nil {
		return math.NaN()
	}
	return part(float64(all)-float64(free), float64(all))
}

// part returns a/b limited to 0 to 1, NaN if b is 0.
func part(a, b float64) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return min(max(a/b, 0), 1)
}

// processors parses the first line of /proc/stat: "cpu" and the time spent as user, nice, system, idle,
// iowait, irq, softirq and steal. The times of guests that follow are part of user.
func processors(stat []byte) (busy, idle float64, ok bool) {
	first, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(first)
	if len(fields) < 6 || string(fields[0]) != "cpu" {
		return 0, 0, false
	}
	for i, field := range fields[1:min(len(fields), 9)] {
		ticks, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			return 0, 0, false
		}
		if i == 3 || i == 4 {
			idle += ticks
		} else {
			busy += ticks
		}
	}
	return busy, idle, true
}

// meminfo parses MemTotal and MemAvailable in kB; 0 if missing.
func meminfo(text []byte) (all, available float64) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch string(fields[0]) {
		case "MemTotal:":
			all, _ = strconv.ParseFloat(string(fields[1]), 64)
		case "MemAvailable:":
			available, _ = strconv.ParseFloat(string(fields[1]), 64)
		}
	}
	return all, available
}
