// Package hoststats tells how much of the machine that this process runs on is in use: on Linux,
// so on Lambda too, processors and memory; everywhere the disk.
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

// Watcher looks at the machine again and again. It is safe for concurrent use.
type Watcher struct {
	path       string // the disk is that of this path
	mu         sync.Mutex
	busy, idle float64 // of the processors, when they were last looked at
}

// Watch begins to watch the machine, and the disk of path.
func Watch(path string) *Watcher {
	w := &Watcher{path: path}
	w.cpu() // what was used is between two looks
	return w
}

// Look is how much is in use. The processors' part is that since the last look.
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

// memory counts as in use what would not be given to a process that asked for it.
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

// part is a of b, NaN when b is nothing.
func part(a, b float64) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return min(max(a/b, 0), 1)
}

// processors reads the first line of /proc/stat: "cpu" and the time spent as user, nice, system,
// idle, iowait, irq, softirq and steal. Time of guests after that is in user already.
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

// meminfo reads MemTotal and MemAvailable, in kB; 0 for what is not there.
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
