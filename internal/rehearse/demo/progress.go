package demo

import (
	"fmt"
	"sync"
	"time"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/rehearse/loadgen"
)

// rebuildProgress shows a rebuild's progress, and the guests' requests, on a terminal.
type rebuildProgress struct {
	out     *screen
	traffic *loadgen.Traffic
	ended   chan struct{}
	shown   sync.WaitGroup

	mu    sync.Mutex
	step  rebuild.Step
	parts map[string]rebuild.Progress // of the step
}

// redrawn is how often the line is written.
const redrawn = 100 * time.Millisecond

func watchRebuild(out *screen, t *loadgen.Traffic) *rebuildProgress {
	r := &rebuildProgress{out: out, traffic: t, ended: make(chan struct{}), step: "Prepare"}
	r.shown.Go(func() {
		ticker := time.NewTicker(redrawn)
		defer ticker.Stop()
		for {
			select {
			case <-r.ended:
				out.still()
				return
			case <-ticker.C:
				r.show()
			}
		}
	})
	return r
}

// note takes the engine's reports.
func (r *rebuildProgress) note(p rebuild.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.step != p.Step {
		r.step, r.parts = p.Step, map[string]rebuild.Progress{}
	}
	r.parts[p.Part] = p
}

func (r *rebuildProgress) show() {
	r.mu.Lock()
	step, far := r.step, r.far()
	r.mu.Unlock()
	tally := r.traffic.SoFar()
	r.out.moving("%-11s %-40s guests: %s requests, %d failed", step, far, grouped(tally.Requests()), tally.Failed)
}

// far adds up the progress of the step's parts.
func (r *rebuildProgress) far() string {
	var done, total int64
	parts, unit := 0, ""
	for name, p := range r.parts {
		if name == "" && len(r.parts) > 1 {
			continue // it tells of the whole step, which has parts
		}
		parts++
		done, total, unit = done+p.Done, total+p.Total, p.Unit
	}
	done = min(done, total) // what came meanwhile is not in the total
	switch {
	case unit == "":
		return "..."
	case parts > 1:
		return fmt.Sprintf("%s of %s %s in %d parts", grouped(done), grouped(total), unit, parts)
	}
	return fmt.Sprintf("%s of %s %s", grouped(done), grouped(total), unit)
}

// end removes the line.
func (r *rebuildProgress) end() {
	close(r.ended)
	r.shown.Wait()
}
