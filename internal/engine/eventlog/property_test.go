package eventlog_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"gakushoku/internal/engine/eventlog"
)

// shard is a source that delivers its records until it is told that they are done.
type shard struct {
	name    string
	records []eventlog.Record
	done    int // this many were acknowledged
}

// world is archivers that crash and are delivered the same again, in any interleaving: between
// two calls of one, others may do anything.
type world struct {
	t      *rapid.T
	log    *log
	shards []*shard
	depth  int
	recut  bool // deliveries may begin anywhere, not only where others have ended
}

func (w *world) shaky() *shaky {
	moment := func(string) error {
		switch {
		case rapid.IntRange(0, 19).Draw(w.t, "crash") == 0:
			return errCrash
		case rapid.IntRange(0, 19).Draw(w.t, "busy") == 0:
			return errBusy
		case w.depth < 3 && rapid.IntRange(0, 9).Draw(w.t, "others") == 0:
			w.deliver()
		}
		return nil
	}
	return &shaky{ledger: w.log.ledger, blobs: w.log.blobs, before: moment, after: moment}
}

// deliver lets one shard deliver a batch to an archiver. A shard that is in the middle of
// that may be chosen too: that is a batch that two have, since one was taken for dead.
func (w *world) deliver() {
	s := w.shards[rapid.IntRange(0, len(w.shards)-1).Draw(w.t, "shard")]
	from := s.done
	if from == len(s.records) {
		return
	}
	if w.recut {
		from = rapid.IntRange(max(0, from-5), from).Draw(w.t, "from")
	}
	to := from + rapid.IntRange(1, min(9, len(s.records)-from)).Draw(w.t, "length")
	w.depth++
	defer func() { w.depth-- }()
	faulty := w.shaky()
	a := w.log.archiver(faulty, faulty)
	a.Retries.Tries = 3
	switch done, err := a.Commit(w.t.Context(), s.records[from:to]); {
	case err == nil && done.Records < to-from:
		w.t.Fatalf("%s: %d of the records %d to %d are in", s.name, done.Records, from, to)
	case err == nil:
		s.done = max(s.done, from+done.Records)
	case !errors.Is(err, errCrash) && !errors.Is(err, errBusy) && !errors.Is(err, eventlog.ErrHeadMoved):
		w.t.Fatalf("%s: records %d to %d: %v", s.name, from, to, err)
	}
}

func newWorld(t *rapid.T, recut bool) *world {
	w := &world{t: t, log: newLog(), recut: recut}
	for n := range rapid.IntRange(1, 3).Draw(t, "shards") {
		name := fmt.Sprint("s", n)
		w.shards = append(w.shards, &shard{name: name, records: records(name, 0, rapid.IntRange(1, 25).Draw(t, "records"))})
	}
	return w
}

// run delivers until everything was acknowledged, and returns how often each event is there.
func (w *world) run() map[string]int {
	for range 40 {
		w.deliver()
	}
	healthy := w.log.archiver(w.log.ledger, w.log.blobs)
	for _, s := range w.shards {
		if _, err := healthy.Commit(w.t.Context(), s.records[s.done:]); err != nil {
			w.t.Fatal(err)
		}
	}
	events := w.log.read(w.t)
	versions := map[string]uint64{}
	seen := map[string]bool{}
	for i := range events {
		e := &events[i]
		if !seen[e.ID] && e.Version != versions[e.Stream]+1 {
			w.t.Errorf("%s: version %d comes first after version %d", e.Stream, e.Version, versions[e.Stream])
		}
		if !seen[e.ID] {
			versions[e.Stream] = e.Version
		}
		seen[e.ID] = true
	}
	n := counts(events)
	total := 0
	for _, s := range w.shards {
		total += len(s.records)
	}
	if len(n) != total {
		w.t.Errorf("%d different events are in the log, %d were delivered", len(n), total)
	}
	return n
}

func TestNothingIsLostOrTwiceWhenBatchesBeginWhereOthersEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, false)
		for id, times := range w.run() {
			if times != 1 {
				t.Errorf("%s is in the log %d times", id, times)
			}
		}
	})
}

func TestNothingIsLostHoweverBatchesAreCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { newWorld(t, true).run() })
}
