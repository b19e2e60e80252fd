package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/rehearse/faultport"
)

// driver runs the steps of a rebuild in the execution's process, as the embedded system does. When that
// process crashes, all its work ends, and Resume may continue the run.
func (x *execution) driver() *rebuild.Driver {
	e := x.w.rebuilder(x.process)
	e.Settings.VerifyParts = 1
	e.Progress = func(p rebuild.Progress) {
		if p.Part == "" && p.Unit == "" {
			x.reaches(p.Step)
		}
	}
	d := &rebuild.Driver{Engine: e, Workers: 2, Approve: func(ctx context.Context, _ rebuild.Run) (rebuild.Decision, error) {
		return rebuild.Decision{Approved: x.person.approves}, wait.For(ctx, x.person.takes)
	}}
	if x.w.alone {
		d.Alone = func() bool { return !x.w.followed() }
	}
	return d
}

// cutOff returns a run whose process crashed and that no other process has resumed; nil when there is
// none.
func (w *world) cutOff() *execution {
	for _, x := range w.executions {
		if w.embedded && x.ended && errors.Is(x.err, errCrashed) && !x.resumed && !w.running() {
			return x
		}
	}
	return nil
}

// resume continues a run that was cut off, in a new process.
func (w *world) resume() {
	cut := w.cutOff()
	cut.resumed = true
	x := w.newExecution(cut.id, cut.request)
	x.logged, x.lost = cut.logged, cut.lost
	x.meddled = x.meddled || w.believedOver[x.id] || w.versionOf(x).State != projection.Building // its version may be gone, or in use
	w.s.counts["resumed"]++
	x.start(func(ctx context.Context) (err error) {
		x.run, err = x.driver().Resume(ctx, w.domain.name(), x.id)
		return err
	})
}

// archiveFollower is the archiver of the embedded system.
func (w *world) archiveFollower(p *process) *eventlog.Follower {
	return &eventlog.Follower{
		Store: faultport.Numbered{Store: w.truth, Gate: p}, Appended: w.truth.nextAppend, Position: faultport.Position{Position: position{w}, Gate: p}, Archiver: w.archiverFor(p),
		Events: w.batch, Linger: time.Second, Poll: time.Second,
	}
}

// followArchive starts an embedded archiver.
func (w *world) followArchive() {
	p := w.s.start(fmt.Sprintf("archiver-%d", w.s.started+1))
	p.speed = w.someSpeed()
	w.archivers = append(w.archivers, p)
	p.run(w.archiveFollower(p).Run, func(error) {})
}
