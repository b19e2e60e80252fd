package simulation

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
)

// archivePatience is how long `archive verify` gives an archiver.
const archivePatience = 2 * time.Second

// expire loses records that a consumer has not read, as a stream does with records that are too old.
func (w *world) expire() {
	all := append(append([]*reader{}, w.readers...), w.sources...)
	if r := all[w.s.random.IntN(len(all))]; r.due() {
		r.at = min(len(r.shard.records), r.at+1+w.s.random.IntN(3))
		w.s.history.add(r.shard.name, fmt.Sprintf("has lost what is before %d", r.at), goOn)
		w.s.count("expired")
	}
}

// archiveOf returns the log and the event store for an operator's process.
func (w *world) archiveOf(p *process) *logcheck.Log {
	l := &logcheck.Log{
		Ledger: w.ledgerOf(p), Blobs: w.blobsOf(p), Store: w.eventsOf(p), Now: time.Now, NewID: p.newID,
		Patience: archivePatience, Workers: 1, Retries: withoutChance(eventlog.DefaultRetries),
	}
	if w.embedded {
		l.CatchUp = w.archiveFollower(p).CatchUp
	}
	return l
}

// verifyLog is the operator's `archive verify --deep --fix`, which may run at any time.
func (w *world) verifyLog() {
	p := w.operator("verifies the log")
	var report *logcheck.Report
	events := len(w.truth.all)
	w.await(p, "verifies the log", func(ctx context.Context) (err error) {
		report, err = w.archiveOf(p).Verify(ctx, logcheck.Options{Deep: true, Fix: true})
		return err
	}, func() {
		if report.Sound {
			w.checkSoundLog(events)
		} else if !w.parts.ever {
			w.violated("%s finds a log that is not sound: %+v", p.name, report.Problems)
		}
		w.s.counts["log event appended"] += report.Appended
		w.s.counts["log manifest restored"] += report.Fixed[logcheck.ManifestMissing]
	})
}

// verifyRows is the operator's `projection verify --fix` of the versions that readers see, or may see after
// a rollback.
func (w *world) verifyRows() {
	p := w.operator("verifies the rows")
	w.await(p, "verifies the rows", func(ctx context.Context) error {
		e := w.rebuilder(p)
		pointer, err := e.Pointers.Pointer(ctx, w.domain.name())
		if err != nil {
			return err
		}
		v := verify.Verifier{Tables: e.Tables, Streams: e.Streams, Log: e.Log, Projector: e.Projector, LagBound: lagBound, Workers: 1, Now: time.Now}
		lengths := w.lengths()
		for _, version := range pointer.Versions {
			if version.State != projection.Active && version.State != projection.Previous {
				continue
			}
			report, err := v.Table(ctx, w.domain.revisions[version.Revision-1], pointer.Table(version), verify.Options{Fix: true})
			if err == nil && report.Sound() {
				w.s.handOver()
				w.checkSoundRows(pointer.Table(version), lengths)
			} else if err == nil && !w.parts.ever {
				w.violated("%s finds %s not sound: %+v %+v", p.name, report.Table, report.Problems, report.Totals)
			}
			if err != nil {
				return err
			}
			w.s.count("rows verified")
			if report.Mended() > 0 {
				w.s.count("rows mended")
			}
		}
		return nil
	}, func() {})
}

// sweep is the operator's `archive sweep`, a day later. It may only remove what no segment needs.
func (w *world) sweep() {
	w.s.passTime(24 * time.Hour)
	p := w.operator("sweeps")
	w.await(p, "sweeps", func(ctx context.Context) error {
		_, err := w.archiveOf(p).Sweep(ctx, logcheck.MinSweepAge, false)
		return err
	}, func() {})
}

// checkSwept checks that only objects of segments are left.
func (w *world) checkSwept(ctx context.Context) {
	objects, err := w.blobs.List(ctx, eventlog.SegmentFolder, "", 10_000)
	if err != nil {
		w.violated("%v", err)
	}
	head, err := w.ledger.Head(ctx)
	if err != nil || uint64(len(objects)) != head.Segments {
		w.violated("there are %d objects of %d segments: %v", len(objects), head.Segments, err)
	}
}
