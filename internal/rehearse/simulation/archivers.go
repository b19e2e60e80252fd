package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// archiverTimeout is how long an invocation of the archiver may last.
const archiverTimeout = 15 * time.Second

func (w *world) startArchiver() *process {
	p := w.s.start(fmt.Sprintf("archiver-%d", w.s.started+1))
	p.speed = w.someSpeed()
	return p
}

// archiverFor is the archiver of a process.
func (w *world) archiverFor(p *process) *eventlog.Archiver {
	return &eventlog.Archiver{Ledger: w.ledgerOf(p), Blobs: w.blobsOf(p), Now: time.Now, NewID: p.newID, Retries: withoutChance(eventlog.DefaultRetries)}
}

// archive invokes an instance of the archiver with a batch.
func (w *world) archive(r *reader) {
	from, to := w.take(r)
	if from == to {
		return
	}
	p := idle(w, &w.archivers, w.startArchiver)
	batch := make([]eventlog.Record, 0, to-from)
	for i := from; i < to; i++ {
		batch = append(batch, eventlog.Record{Source: fmt.Sprintf("%s-%06d", r.shard.name, i), Event: r.shard.records[i]})
	}
	w.s.history.note(p.name, "begins with %s %d to %d", r.shard.name, from, to-1)
	r.running++
	p.busy = true
	p.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, archiverTimeout)
		defer cancel()
		_, err := w.archiverFor(p).Commit(ctx, batch)
		return err
	}, func(err error) {
		p.busy = false
		r.running--
		if err == nil && from <= r.at {
			r.at = max(r.at, to)
		}
	})
}

// log reads the log past the gate.
func (w *world) log() *eventlog.Reader { return &eventlog.Reader{Ledger: w.ledger, Blobs: w.blobs} }

// checkLog checks that the log is dense and, apart from repeats, equal to the event store.
func (w *world) checkLog(ctx context.Context) {
	log := w.log()
	head, err := log.Head(ctx)
	if err != nil {
		w.violated("the head of the log: %v", err)
		return
	}
	next, found := uint64(1), map[string]bool{}
	err = log.Events(ctx, 0, head.Number, func(number uint64, e *event.Event) error {
		if number != next {
			return fmt.Errorf("event %d comes after event %d", number, next-1)
		}
		next++
		s := w.truth.streams[e.Stream]
		if s == nil || e.Version < 1 || e.Version > uint64(len(s.events)) || string(event.AppendJSON(nil, &s.events[e.Version-1])) != string(event.AppendJSON(nil, e)) {
			return fmt.Errorf("event %d is not in the event store: %s@%d", number, e.Stream, e.Version)
		}
		found[fmt.Sprintf("%s@%d", e.Stream, e.Version)] = true
		return nil
	})
	if err == nil && next != head.Number+1 {
		err = fmt.Errorf("the head is %d, but the log ends at %d", head.Number, next-1)
	}
	if err != nil {
		w.violated("the log is not sound: %v", err)
	}
	for _, e := range w.truth.all {
		if !found[fmt.Sprintf("%s@%d", e.Stream, e.Version)] {
			w.violated("%s@%d is not in the log", e.Stream, e.Version)
		}
	}
	w.checkManifests(ctx, log, head)
}

// checkManifests checks that the chain leads from the first manifest to the head, and that every segment has
// the ledger's manifest beside it, since S3 alone must be enough. Manifests that a dying archiver left out were added by `archive verify --fix`.
func (w *world) checkManifests(ctx context.Context, log *eventlog.Reader, head eventlog.Head) {
	var chain eventlog.Chain
	err := log.Manifests(ctx, 0, head.Number, func(m *eventlog.Manifest) error {
		if err := chain.Add(m); err != nil {
			return err
		}
		data, err := w.blobs.Get(ctx, eventlog.ManifestKey(m.First))
		var beside eventlog.Manifest
		if err == nil {
			err = json.Unmarshal(data, &beside)
		}
		if err == nil && !beside.Equal(m) {
			err = fmt.Errorf("the segment from %d on has another manifest beside it", m.First)
		}
		return err
	})
	if err == nil && (chain.Hash != head.Chain || chain.Without > 0) {
		err = fmt.Errorf("the head has the hash %.12s, the chain %.12s and %d manifests outside of it", head.Chain, chain.Hash, chain.Without)
	}
	if err != nil {
		w.violated("the log is not sound: %v", err)
	}
}

func (w *world) lacksManifest(ctx context.Context) bool {
	head, err := w.ledger.Head(ctx)
	if err != nil {
		return true
	}
	objects, err := w.blobs.List(ctx, eventlog.ManifestFolder, "", 10_000)
	return err != nil || uint64(len(objects)) < head.Segments
}
