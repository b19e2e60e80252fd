package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
)

// rebuildProgress shows the progress of a rebuild: on a terminal a line for each step and each part in
// progress, elsewhere an occasional log line.
type rebuildProgress struct {
	ctx  context.Context
	name string
	out  io.Writer     // the terminal; nil without one
	bars *mpb.Progress // nil without a terminal

	mu     sync.Mutex
	step   *stepProgress
	logged time.Time
}

// progressEvery is how often a step's progress is logged.
const progressEvery = 5 * time.Second

func newRebuildProgress(p *program, name string) *rebuildProgress {
	g := &rebuildProgress{ctx: p.ctx, name: name}
	if isTerminal(p.stderr) {
		g.out = p.stderr
		g.bars = mpb.New(mpb.WithOutput(p.stderr), mpb.WithWidth(50), mpb.WithAutoRefresh())
	}
	return g
}

func (g *rebuildProgress) options() operator.RebuildOptions {
	return operator.RebuildOptions{Progress: g.report}
}

// report receives progress from the engine.
func (g *rebuildProgress) report(p rebuild.Progress) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.step == nil || g.step.name != string(p.Step) {
		g.finish(true)
		g.step = newStepProgress(g.bars, string(p.Step), g.name)
		g.logged = time.Now()
	}
	g.step.add(p)
	if now := time.Now(); g.bars == nil && now.Sub(g.logged) >= progressEvery {
		g.logged = now
		g.step.log(g.ctx)
	}
}

// finish ends the line of the step, complete or cut off.
func (g *rebuildProgress) finish(done bool) {
	if g.step != nil {
		g.step.finish(done)
	}
	g.step = nil
}

// end ends the last step. If the run failed, the step's line stays unchanged.
func (g *rebuildProgress) end(err error) {
	g.mu.Lock()
	g.finish(err == nil)
	g.mu.Unlock()
	if g.bars != nil {
		g.bars.Wait()
	}
}

// stepProgress is one step. The drawing goroutine reads its numbers.
type stepProgress struct {
	name, projection string
	bars             *mpb.Progress
	bar              *mpb.Bar // of the whole step
	started          time.Time
	unit             atomic.Value
	done, total      atomic.Int64
	took             atomic.Int64 // set once it is over
	parts            map[string]*partProgress
}

// partProgress is one part of a step. In Replay, a part reads events in its first half, and writes rows in
// its second.
type partProgress struct {
	bar  *mpb.Bar
	last atomic.Pointer[rebuild.Progress]
	size int64 // of the part, in the step's unit
}

func newStepProgress(bars *mpb.Progress, name, projection string) *stepProgress {
	s := &stepProgress{name: name, projection: projection, bars: bars, started: time.Now(), parts: map[string]*partProgress{}}
	s.unit.Store("")
	if bars != nil {
		s.bar = bars.New(0, mpb.BarStyle().Lbound("").Rbound("").Filler("=").Tip(">").Padding(" "),
			mpb.PrependDecorators(decor.Name(name, decor.WC{W: 12, C: decor.DindentRight}), decor.Any(s.percent, decor.WC{W: 6})),
			mpb.AppendDecorators(decor.Any(s.rate)))
	}
	return s
}

// add receives the progress of the step or of one of its parts.
func (s *stepProgress) add(p rebuild.Progress) {
	if p.Part == "" {
		s.set(p.Done, p.Total, p.Unit)
		return
	}
	part := s.parts[p.Part]
	if part == nil {
		part = &partProgress{size: p.Total}
		s.parts[p.Part] = part
		part.last.Store(&p)
		if s.bars != nil {
			part.bar = s.bars.New(0, mpb.NopStyle(), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return "  " + partText(part.last.Load()) })))
		}
	}
	part.last.Store(&p)
	if part.bar != nil && part.over() {
		part.bar.SetTotal(-1, true)
	}
	var done, total int64
	for _, other := range s.parts {
		done += other.done()
		total += other.size
	}
	s.set(done, max(total, s.total.Load()), "")
}

func (s *stepProgress) set(done, total int64, unit string) {
	s.done.Store(done)
	s.total.Store(total)
	if unit != "" {
		s.unit.Store(unit)
	}
	if s.bar != nil && total > 0 {
		// The bar is full when the step ends, not when its last part does.
		s.bar.SetTotal(total+1, false)
		s.bar.SetCurrent(min(done, total))
	}
}

// done returns how much of the part is done in the step's unit.
func (p *partProgress) done() int64 {
	last := p.last.Load()
	switch {
	case last.Step != rebuild.StepReplay || p.over():
		return min(last.Done, p.size)
	case last.Unit == "rows":
		return p.size/2 + p.size/2*last.Done/max(last.Total, 1)
	}
	return last.Done / 2
}

// over reports whether the part has nothing left to do.
func (p *partProgress) over() bool {
	last := p.last.Load()
	return last.Done >= last.Total && (last.Step != rebuild.StepReplay || last.Unit != "rows")
}

func partText(p *rebuild.Progress) string {
	percent := 100.0
	if p.Total > 0 {
		percent = 100 * float64(p.Done) / float64(p.Total)
	}
	return fmt.Sprintf("%-12s %3.0f %%  %d of %d %s", p.Part, percent, p.Done, p.Total, p.Unit)
}

func (s *stepProgress) percent(decor.Statistics) string {
	if s.took.Load() > 0 {
		return "done"
	}
	if total := s.total.Load(); total > 0 {
		return fmt.Sprintf("%d %%", min(99, 100*s.done.Load()/total))
	}
	return ""
}

// rate returns a text such as "123456 events/s, 12s left", or how long the step has taken so far.
func (s *stepProgress) rate(decor.Statistics) string {
	if took := s.took.Load(); took > 0 {
		return time.Duration(took).Round(time.Millisecond).String()
	}
	elapsed := time.Since(s.started)
	if s.name == string(rebuild.StepApprove) && elapsed > time.Second {
		return fmt.Sprintf("waiting: gakushoku projection approve %s", s.projection)
	}
	perSecond, left, known := s.pace(elapsed)
	if !known {
		return elapsed.Round(time.Second).String()
	}
	return fmt.Sprintf("%.0f %s/s, %s left", perSecond, s.unit.Load(), left.Round(time.Second))
}

// pace returns the pace of the step so far.
func (s *stepProgress) pace(elapsed time.Duration) (perSecond float64, left time.Duration, known bool) {
	done := s.done.Load()
	return pace(done, s.total.Load(), done, elapsed)
}

func (s *stepProgress) log(ctx context.Context) {
	perSecond, left, _ := s.pace(time.Since(s.started))
	observe.Logger(ctx).Info().Str(observe.FieldProjection, s.projection).Str("step", s.name).Int64("done", s.done.Load()).Int64("total", s.total.Load()).
		Str("unit", s.unit.Load().(string)).Float64("perSecond", perSecond).Int64("leftMs", left.Milliseconds()).Msg("reproject:progress")
}

func (s *stepProgress) finish(done bool) {
	s.took.Store(int64(max(time.Since(s.started), 1)))
	for _, part := range s.parts {
		if part.bar != nil {
			part.bar.Abort(true)
		}
	}
	switch {
	case s.bar == nil:
	case done:
		s.bar.SetTotal(-1, true)
	default:
		s.bar.Abort(false)
	}
}
