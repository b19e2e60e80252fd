package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// The parts of a data folder. An operator may replace some by older copies, so that the parts are of
// different ages.
const (
	partEvents  = "events"
	partLog     = "log"    // the objects
	partLedger  = "ledger" // of the log
	partControl = "control"
	partRows    = "rows"
)

// folder holds the parts of one moment. It is read-only.
type folder struct {
	events   *memory.Events
	blobs    *memory.Blobs
	ledger   *memory.Ledger
	control  *memory.Control
	tables   *memory.Tables
	archived eventstore.Mark
}

// parts is the state of the folder's parts in this run.
type parts struct {
	chance *rand.Rand // its own, so that it does not change runs without replaced parts
	rate   float64
	backup *folder
	older  *memory.Events // the right event store, while an older copy is in its place
	blobs  *memory.Blobs  // the objects that the ledger needs, while older ones are in their place
	mixed  bool           // parts are of different ages, and not mended yet
	ever   bool           // they were of different ages at some time
}

func (w *world) chooseParts(seed uint64) {
	w.parts.chance = rand.New(rand.NewPCG(seed, 0x2545f4914f6cdd1d))
	if w.embedded && w.mutation.Ledger == nil && w.parts.chance.IntN(2) == 0 {
		w.parts.rate = 0.02
	}
}

// changeParts may back up, replace or mend parts between two steps.
func (w *world) changeParts() {
	p := &w.parts
	if p.rate == 0 || p.chance.Float64() >= p.rate {
		return
	}
	switch {
	case p.mixed:
		w.mend() // it may be long before the commands of the runbook are called
	case p.backup == nil:
		p.backup = w.copyParts()
	case !p.ever:
		w.putBack()
	}
}

func (w *world) copyParts() *folder {
	ledger, _ := w.ledger.(*memory.Ledger)
	return &folder{w.truth.Events.Copy(), w.blobs.Copy(), ledger.Copy(), w.control.Copy(), w.tables.Copy(), w.archived}
}

// putBack replaces some parts by those of the backup. Running programs have the replaced files open: they
// are stopped, or every call of theirs fails until they are.
func (w *world) putBack() {
	p := &w.parts
	all := []string{partEvents, partLog, partLedger, partControl, partRows}
	p.chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	chosen := all[:1+p.chance.IntN(3)]
	w.s.history.add("operator", "puts back older "+strings.Join(chosen, ", "), goOn)
	w.s.count("parts of different ages")
	stopped := p.chance.IntN(2) == 0
	w.loseAll(stopped)
	p.mixed, p.ever = true, true
	if slices.Contains(chosen, partLog) && !slices.Contains(chosen, partLedger) {
		p.blobs = w.blobs // the newer ledger needs them
	}
	old := *p.backup
	p.backup = nil
	for _, part := range chosen {
		switch part {
		case partEvents:
			p.older, w.truth.Events = w.truth.Events, old.events
		case partLog:
			w.blobs = old.blobs
		case partLedger:
			w.ledger = old.ledger
		case partControl:
			w.control, w.archived = old.control, old.archived
		case partRows:
			w.tables = old.tables
		}
	}
	w.forgetPromises()
	if stopped {
		w.follow()
		w.followArchive()
	}
}

// loseAll takes the files away from all programs. If the operator stopped them, it ends them.
func (w *world) loseAll(stopped bool) {
	for _, x := range w.executions {
		x.lost, x.meddled = true, true
	}
	w.s.mu.Lock()
	alive := slices.Clone(w.s.alive)
	w.s.mu.Unlock()
	for _, p := range alive {
		p.gone = true
		if stopped || p.name == "network" {
			p.crash()
		}
	}
	w.s.look() // what was stopped ends before anything else happens
}

// forgetPromises clears the promises made about a read model that was replaced.
func (w *world) forgetPromises() {
	for _, s := range w.truth.streams {
		s.promised = 0
	}
	for _, g := range w.guests {
		clear(g.shown)
		g.process.crash()
	}
	w.s.look()
	w.applied, w.promisedTo = 0, 0
	if c, err := w.control.Checkpoint(context.Background(), followerName); err == nil {
		if m, err := eventstore.ParseMark(c.Cursor); err == nil {
			w.applied, w.promisedTo = int(m.Number), m.Number
		}
	}
}

// mend is what an operator does about replaced parts: stop all programs, bring back what was replaced, start
// again. The runbooks' commands follow.
func (w *world) mend() {
	p := &w.parts
	w.s.history.add("operator", "mends the folder", goOn)
	w.s.count("folder mended")
	w.loseAll(true)
	if p.older != nil {
		w.truth.Events, p.older = p.older, nil
	}
	if p.blobs != nil {
		w.keepObjects()
	}
	p.mixed = false
	w.dropLostLog()
	w.forgetPromises()
	w.follow()
	w.followArchive()
}

// keepObjects copies the replaced objects back beside the present ones.
func (w *world) keepObjects() {
	ctx := context.Background()
	lost, err := w.parts.blobs.List(ctx, "", "", 100_000)
	for i := 0; err == nil && i < len(lost); i++ {
		var data []byte
		if _, err = w.blobs.Get(ctx, lost[i].Key); errors.Is(err, eventlog.ErrNoBlob) {
			if data, err = w.parts.blobs.Get(ctx, lost[i].Key); err == nil {
				err = w.blobs.Put(ctx, lost[i].Key, data)
			}
		}
	}
	if err != nil {
		w.violated("%v", err)
	}
}

// dropLostLog removes the rest of a log that has neither ledger nor manifests. It is rebuilt from the store.
func (w *world) dropLostLog() {
	head, err := w.ledger.Head(context.Background())
	manifests, err2 := w.blobs.List(context.Background(), eventlog.ManifestFolder, "", 1)
	if err != nil || err2 != nil {
		w.violated("%v %v", err, err2)
	}
	if head.Number == 0 && len(manifests) == 0 {
		w.blobs = memory.NewBlobs()
	}
}

// putRight is the runbook for a folder with parts of different ages. When all its commands have succeeded,
// the folder is as if nothing had been replaced.
func (w *world) putRight() {
	w.mend()
	for _, command := range []func(){w.restoreManifests, w.verifyLog, w.rebuildMissing, w.verifyRows} {
		command()
		w.until(func() bool { return w.operating == 0 && !w.running() })
	}
}

// restoreManifests is the operator's `archive restore-manifests`.
func (w *world) restoreManifests() {
	p := w.operator("restores manifests")
	w.await(p, "restores manifests", func(ctx context.Context) error {
		r, err := w.archiveOf(p).RestoreManifests(ctx)
		if err == nil && !r.Sound {
			err = fmt.Errorf("not sound: %+v", r.Problems)
		}
		return err
	}, func() {})
}

// rebuildMissing is the operator's rebuild of a read model with a missing table.
func (w *world) rebuildMissing() {
	pointer, err := w.control.Pointer(context.Background(), w.domain.name())
	if err != nil {
		w.violated("%v", err)
		return
	}
	for _, v := range pointer.Versions {
		if _, err := w.tables.Totals(context.Background(), pointer.Table(v)); errors.Is(err, projection.ErrNoTable) {
			w.execute(rebuild.Request{Projection: w.domain.name(), AllowParked: 1000})
			return
		}
	}
}

// checkSoundLog checks the claim that the log is sound, made by a check that began when the store had so many events.
func (w *world) checkSoundLog(events int) {
	logged := map[string]bool{}
	err := w.eachLogged(func(_ uint64, e *event.Event) {
		if w.parts.older != nil && !w.stored(e) {
			w.violated("the log is called sound, and has %s@%d, which the store has lost", e.Stream, e.Version)
		}
		logged[fmt.Sprintf("%s@%d", e.Stream, e.Version)] = true
	})
	if err != nil {
		w.violated("the log is called sound, and cannot be read: %v", err)
	}
	if w.parts.older != nil {
		return
	}
	for _, e := range w.truth.all[:events] {
		if !logged[fmt.Sprintf("%s@%d", e.Stream, e.Version)] {
			w.violated("the log is called sound, and lacks %s@%d", e.Stream, e.Version)
		}
	}
}

// stored reports whether the event store has an event now.
func (w *world) stored(e *event.Event) bool {
	events, err := w.truth.Load(context.Background(), e.Stream, e.Version-1)
	return err == nil && len(events) > 0
}

// checkSoundRows checks the claim that a table is sound, made by a check that began when streams had these lengths.
func (w *world) checkSoundRows(t projection.Table, lengths map[string]uint64) {
	rows, err := w.tables.Records(context.Background(), t, slices.Collect(maps.Keys(lengths)))
	if err != nil {
		w.violated("%s is called sound, and cannot be read: %v", t, err)
	}
	for stream, length := range lengths {
		if !w.domain.folds(stream) {
			continue
		}
		events, err := w.truth.Load(context.Background(), stream, 0)
		version := rows[stream].Version
		switch {
		case err != nil || version > uint64(len(events)):
			w.violated("%s is called sound, and has %s@%d of %d events: %v", t, stream, version, len(events), err)
		case version < min(length, w.truth.streams[stream].last()):
			w.violated("%s is called sound, and has %s@%d of %d events", t, stream, version, length)
		}
	}
}

// lengths returns the streams' lengths in the event store.
func (w *world) lengths() map[string]uint64 {
	all := map[string]uint64{}
	for _, name := range w.truth.names {
		events, err := w.truth.Load(context.Background(), name, 0)
		if err != nil {
			w.violated("%v", err)
		}
		all[name] = uint64(len(events))
	}
	return all
}
