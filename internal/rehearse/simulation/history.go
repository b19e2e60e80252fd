package simulation

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// history is what happened in a run: always as a digest, to know that a seed plays the same run
// each time, and as lines when they are asked for.
type history struct {
	keep   bool
	begun  time.Time
	steps  int
	digest maphash.Hash
	mu     sync.Mutex
	lines  []string
}

// digests share one seed, so that those of two runs compare.
var digestSeed = maphash.MakeSeed()

func newHistory(keep bool) *history {
	h := &history{keep: keep, begun: time.Now()}
	h.digest.SetSeed(digestSeed)
	return h
}

func (h *history) add(who, what string, v verdict) {
	h.steps++
	h.digest.WriteString(who)   //nolint:errcheck // it cannot fail
	h.digest.WriteString(what)  //nolint:errcheck // it cannot fail
	h.digest.WriteByte(byte(v)) //nolint:errcheck // it cannot fail
	if h.keep {
		h.line(fmt.Sprintf("%4d %10s  %-16s %s%s", h.steps, time.Since(h.begun), who, what, v))
	}
}

// note adds what a participant saw or concluded. The text is formatted only when it is kept.
func (h *history) note(who, format string, args ...any) {
	if h.keep {
		h.line(fmt.Sprintf("%4s %10s  %-16s %s", "", time.Since(h.begun), who, fmt.Sprintf(format, args...)))
	}
}

func (h *history) line(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, text)
}
