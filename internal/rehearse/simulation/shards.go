package simulation

import (
	"hash/fnv"
	"slices"

	"gakushoku/internal/event"
)

// shard is a part of the event store's change stream, as in DynamoDB: all events of one of our streams are in
// one shard, in any order, and all readers see a shard in the same order.
type shard struct {
	name    string
	records []event.Event
}

// reader is a consumer's position in a shard.
type reader struct {
	shard   *shard
	at      int // records before it are done
	running int // invocations under way
}

// underWay is an appended event that is not in its shard yet.
type underWay struct {
	event event.Event
	until int // step before which it does not arrive
}

// send puts an event on its way to its shard; some take very long.
func (w *world) send(e event.Event) {
	u := underWay{event: e}
	if w.s.random.Float64() < w.straggle {
		u.until = w.s.history.steps + w.s.random.IntN(500)
	}
	w.transit = append(w.transit, u)
}

// arriving returns the places in transit of the events that may arrive now.
func (w *world) arriving() []int {
	var all []int
	for i, u := range w.transit {
		if u.until <= w.s.history.steps {
			all = append(all, i)
		}
	}
	return all
}

// arrive puts an event under way into its shard, not always the oldest one first.
func (w *world) arrive() {
	all := w.arriving()
	i := all[0]
	if w.s.random.Float64() < w.disorder {
		i = all[w.s.random.IntN(len(all))]
	}
	e := w.transit[i].event
	w.transit = slices.Delete(w.transit, i, i+1)
	h := fnv.New32a()
	h.Write([]byte(e.Stream)) //nolint:errcheck // it cannot fail
	s := w.shards[int(h.Sum32())%len(w.shards)]
	w.s.history.note(s.name, "%d is %s@%d", len(s.records), e.Stream, e.Version)
	s.records = append(s.records, e)
}

// take returns a batch for a reader: from its position or before that, as after a retry or a change of the
// shard's lease. It is empty when there is nothing to do.
func (w *world) take(r *reader) (from, to int) {
	from = r.at
	if from > 0 && w.s.random.Float64() < w.again {
		from -= 1 + w.s.random.IntN(min(from, 5))
	}
	if from >= len(r.shard.records) {
		return from, from
	}
	return from, from + 1 + w.s.random.IntN(min(len(r.shard.records)-from, w.batch))
}

// due reports whether the reader has work that is not being done.
func (r *reader) due() bool { return r.running == 0 && r.at < len(r.shard.records) }

func anyDue(readers []*reader) bool { return slices.ContainsFunc(readers, (*reader).due) }

func allDone(readers []*reader) bool {
	for _, r := range readers {
		if r.running > 0 || r.at < len(r.shard.records) {
			return false
		}
	}
	return true
}
