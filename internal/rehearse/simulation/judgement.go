package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
)

// judgeRun checks that a run failed only for a reason that the simulation gave it.
func (w *world) judgeRun(x *execution) {
	w.s.history.note(x.id, "ends: %v", x.err)
	switch {
	case x.err == nil:
		w.s.counts[string(x.run.Mode)+" done"]++
		w.checkDone(x)
		return
	case x.stopped || x.meddled, !errors.Is(x.err, rebuild.ErrFailed):
		return
	case x.request.Approve && !x.person.approves:
		w.s.counts["run not approved"]++
		return
	case x.request.AllowParked == 0 && w.poisoned():
		w.s.counts["run parked"]++
		return
	}
	w.violated("%s failed, although nothing was wrong: %v", x.id, x.err)
}

func (w *world) poisoned() bool {
	for _, s := range w.truth.streams {
		if s.poisoned {
			return true
		}
	}
	return false
}

// reaches is called when a run reaches a step.
func (x *execution) reaches(step rebuild.Step) {
	x.w.s.handOver()
	switch step {
	case rebuild.StepCatchUp:
		x.noteLog()
		if x.run.Replay != nil && x.run.Replay.Gaps > 0 {
			x.w.s.count("gap in a replay")
		}
	case rebuild.StepStartVerify:
		x.checkCaughtUp()
	}
}

// noteLog remembers what the log holds at the end of the wait after Join. The catch-up must bring it in.
func (x *execution) noteLog() {
	x.w.s.handOver()
	x.logged = map[string]uint64{}
	err := x.w.eachLogged(func(_ uint64, e *event.Event) {
		x.logged[e.Clone().Stream] = max(x.logged[e.Stream], e.Version)
	})
	if err != nil {
		x.w.violated("the log cannot be read: %v", err)
	}
}

// eachLogged reads the log past the gate.
func (w *world) eachLogged(do func(number uint64, e *event.Event)) error {
	log := w.log()
	head, err := log.Head(context.Background())
	if err != nil {
		return err
	}
	return log.Events(context.Background(), 0, head.Number, func(number uint64, e *event.Event) error {
		do(number, e)
		return nil
	})
}

// checkCaughtUp checks that the new version has what the log held at the end of the wait after Join. The
// verification would find and heal missing events, but catching up is not its job.
func (x *execution) checkCaughtUp() {
	if x.lost {
		return
	}
	v := x.w.versionOf(x)
	x.checkRows(projection.Table{Projection: x.request.Projection, Version: v.Number}, x.logged, "has caught up with the log")
}

// versionOf returns the version that an execution makes, as the pointer has it; zero when there is none.
func (w *world) versionOf(x *execution) projection.Version {
	pointer, err := w.control.Pointer(context.Background(), x.request.Projection)
	if err != nil {
		w.violated("%v", err)
	}
	for _, v := range pointer.Versions {
		if v.RunID == x.id {
			return v
		}
	}
	return projection.Version{}
}

// checkDone checks what a heal or a scratch run claims to have done.
func (w *world) checkDone(x *execution) {
	if x.lost {
		return
	}
	switch {
	case x.run.Mode == rebuild.ModeHeal && len(x.request.Streams) > 0 && !x.meddled && x.switches == w.switches:
		lengths := map[string]uint64{}
		for _, name := range x.request.Streams {
			lengths[name] = x.lengths[name]
		}
		x.checkRows(w.activeTable(), lengths, "has healed the streams")
	case x.run.Mode == rebuild.ModeScratch && w.showsPast(x):
		if diff := w.checkScratch(x); diff != "" {
			w.violated("%s", diff)
		}
	}
}

// checkRows checks that the rows of streams have at least these versions, as far as events can be applied.
func (x *execution) checkRows(t projection.Table, versions map[string]uint64, after string) {
	rows, err := x.w.tables.Records(context.Background(), t, slices.Collect(maps.Keys(versions)))
	if err != nil {
		return // the table was dropped
	}
	for stream, version := range versions {
		if !x.w.domain.folds(stream) {
			continue
		}
		if s := x.w.truth.streams[stream]; rows[stream].Version < min(version, s.last()) {
			x.w.violated("%s %s, but %s has %s at version %d, not %d", x.id, after, t, stream, rows[stream].Version, version)
		}
	}
}

// checkScratch compares a scratch version with the fold of the log up to its number.
func (w *world) checkScratch(x *execution) string {
	had := map[string]map[uint64]bool{}
	err := w.eachLogged(func(number uint64, e *event.Event) {
		if number <= x.request.UntilNumber && w.domain.folds(e.Stream) {
			if had[e.Stream] == nil {
				had[e.Clone().Stream] = map[uint64]bool{}
			}
			had[e.Stream][e.Version] = true
		}
	})
	if err != nil {
		return err.Error()
	}
	want, totals := map[string]seen{}, map[string]map[string]int64{}
	for stream, versions := range had {
		length := uint64(0)
		for versions[length+1] {
			length++
		}
		if length > 0 {
			row, amounts := w.truth.streams[stream].at(x.run.Revision, length)
			want[stream] = row
			for _, c := range amounts {
				addTotal(totals, c)
			}
		}
	}
	return compareTable(context.Background(), w.tables, x.run.Table(), want, totals)
}
