package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/rehearse/faultport"
)

// finish lets everything under way end and checks the result. Then an operator tidies up and rebuilds once
// more, undisturbed, and the result is checked again.
func (w *world) finish(ctx context.Context) {
	w.s.look()
	w.tidy, w.s.faults, w.writes, w.again, w.disorder, w.slow, w.hurry, w.fresh, w.runs, w.parts.rate = false, faults{}, 0, 0, 0, 0, 0, 0, 0, 0
	w.straggle = 0
	for i := range w.transit {
		w.transit[i].until = 0
	}
	w.s.history.note("", "from here on all goes well")
	if w.parts.ever {
		w.putRight()
	}
	w.rest()
	w.repair(ctx)
	w.checkLog(ctx)
	w.checkVersions(ctx)
	w.checkScratches()
	if w.broken != "" {
		return
	}
	if w.deployable() {
		w.deploy()
	}
	soak := rebuild.Seconds(pointerTTL)
	last := w.execute(rebuild.Request{Projection: w.domain.name(), AllowParked: 1000, Soak: &soak})
	w.rest()
	w.cleanUp()
	w.rest()
	w.sweep()
	w.rest()
	w.checkVersions(ctx)
	w.checkOnly(ctx, last)
	w.checkSwept(ctx)
	w.checkLog(ctx)
}

// repair mends what would never be delivered: expired records, and manifests that dying archivers left out.
func (w *world) repair(ctx context.Context) {
	if w.loss > 0 {
		w.verifyRows()
	}
	if w.loss > 0 || w.lacksManifest(ctx) {
		w.verifyLog()
	}
	w.rest()
}

// rest lets everything under way end.
func (w *world) rest() { w.until(w.quiet) }

// until releases all calls, then lets other things happen, until done returns true.
func (w *world) until(done func() bool) {
	for range 20_000 {
		w.s.look()
		switch {
		case w.broken != "":
			return
		case len(w.s.waiting) > 0:
			w.s.release()
		case len(w.transit) > 0:
			w.arrive()
		case w.projectorDue():
			w.project(w.someDue(w.readers))
		case w.archiverDue():
			w.archive(w.someDue(w.sources))
		case w.embedded && !w.followed():
			w.follow()
		case w.embedded && !anyAlive(w.archivers):
			w.followArchive()
		case done():
			return
		default:
			w.s.rest(time.Hour)
		}
	}
	w.violated("the world never comes to rest")
}

// quiet reports whether everything that was written has been delivered and no rebuild is running.
func (w *world) quiet() bool {
	if w.running() || w.operating > 0 {
		return false
	}
	if w.embedded {
		return w.applied == len(w.truth.all) && w.archived.Number == uint64(w.applied)
	}
	return allDone(w.readers) && allDone(w.sources)
}

// checkVersions checks that every version that readers see, or may see after a rollback, is the fold of all
// events.
func (w *world) checkVersions(ctx context.Context) {
	pointer, err := w.control.Pointer(ctx, w.domain.name())
	if err != nil {
		w.violated("%v", err)
		return
	}
	for _, v := range pointer.Versions {
		if v.State != projection.Active && v.State != projection.Previous || w.broken != "" {
			continue
		}
		if diff := w.truth.checkTable(ctx, v.Revision, w.tables, pointer.Table(v)); diff != "" {
			w.violated("%s", diff)
		}
	}
}

// checkScratches checks that scratch versions still show their past moment.
func (w *world) checkScratches() {
	for _, x := range w.executions {
		if x.err != nil || x.lost || !w.showsPast(x) {
			continue
		}
		if diff := w.checkScratch(x); diff != "" {
			w.violated("%s", diff)
		}
	}
}

// showsPast reports whether the scratch version that an execution filled still exists. A late attempt at
// Prepare may have made another one, which stays empty.
func (w *world) showsPast(x *execution) bool {
	v := w.versionOf(x)
	return v.State == projection.Scratch && v.Number == x.run.ToVersion
}

// checkOnly checks that the last rebuild's version is active and the only one.
func (w *world) checkOnly(ctx context.Context, last *execution) {
	if w.broken != "" {
		return
	}
	if last.err != nil {
		w.violated("the last rebuild, which nothing disturbed, failed: %v", last.err)
		return
	}
	pointer, err := w.control.Pointer(ctx, w.domain.name())
	if err != nil {
		w.violated("%v", err)
		return
	}
	if active, _ := pointer.ActiveVersion(); len(pointer.Versions) != 1 || active.Number != last.run.ToVersion {
		w.violated("after the last rebuild, to version %d, there are %s", last.run.ToVersion, faultport.Describe(pointer))
	}
	var there []string
	beyond := 3
	if w.parts.ever { // an older pointer does not know of those, and passes over them when it comes so far
		beyond = 0
	}
	for n := range pointer.Next + beyond {
		t := projection.Table{Projection: pointer.Projection, Version: n}
		if _, err := w.tables.Totals(ctx, t); err == nil {
			there = append(there, t.String())
		}
	}
	if want := []string{last.run.Table().String()}; !slices.Equal(there, want) {
		w.violated("there are tables %s, only %s is wanted", fmt.Sprint(there), fmt.Sprint(want))
	}
}
