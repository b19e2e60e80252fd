package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/store/memory"
)

// ReplicaMutation is a mistake in the protocol of replication. The zero value changes nothing.
type ReplicaMutation struct {
	Place   func(eventlog.Blobs) eventlog.Blobs // as all sites see it
	Standby func(eventlog.Blobs) eventlog.Blobs // as those that follow see it
	NoLease bool                                // primaries acknowledge without contact
	NoWait  bool                                // a promotion does not wait
}

const (
	replicaLease = time.Minute
	replicaSteps = 150
	replicaDepth = 3 // calls under way at once
)

// replicas is one run of replication: three sites that share a place, one of which begins as the primary. At each
// call of the place other sites may act before and after it, time passes, links are cut, responses are lost, and
// puts land late.
type replicas struct {
	ctx      context.Context
	random   *rand.Rand
	mutation ReplicaMutation
	now      time.Time
	place    *memory.Blobs
	late     []func()
	depth    int
	sites    []*replicaSite
	entries  map[string]string // of the place's ledger, as they were first seen
	newest   uint64            // the fence of the newest site that has acknowledged
	counts   map[string]int
	broken   string
}

// RunReplicas plays the run of one seed of replication.
func RunReplicas(ctx context.Context, seed uint64, m ReplicaMutation) Result {
	w := &replicas{
		ctx: ctx, random: rand.New(rand.NewPCG(seed, 7)), mutation: m, now: time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC),
		place: memory.NewBlobs(), entries: map[string]string{}, counts: map[string]int{},
	}
	for i := range 3 {
		w.sites = append(w.sites, newReplicaSite(w, fmt.Sprintf("site%d", i)))
	}
	w.sites[0].lead(0)
	for range replicaSteps {
		if w.act(); w.broken != "" {
			break
		}
	}
	if w.broken == "" {
		w.settle()
	}
	return Result{Broken: w.broken, Steps: replicaSteps, Counts: w.counts}
}

func (w *replicas) fail(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
}

// act lets something happen.
func (w *replicas) act() {
	s := w.sites[w.random.IntN(len(w.sites))]
	switch n := w.random.IntN(20); {
	case n < 2:
		w.now = w.now.Add(time.Duration(w.random.IntN(4000)) * time.Millisecond)
	case n < 3 && len(w.late) > 0:
		i := w.random.IntN(len(w.late))
		land := w.late[i]
		w.late = append(w.late[:i:i], w.late[i+1:]...)
		w.counts["late put"]++
		land()
	case n < 4:
		s.cut = !s.cut && w.random.IntN(2) == 0
	default:
		s.act(n)
	}
	w.look()
}

// look checks that the ledger of the place only grows.
func (w *replicas) look() {
	found, err := w.place.List(w.ctx, "ledger/", "", 1000)
	for _, b := range found {
		raw, readErr := w.place.Get(w.ctx, b.Key)
		if err = errors.Join(err, readErr); err != nil {
			break
		}
		if was, ok := w.entries[b.Key]; ok && was != string(raw) {
			w.fail("the entry %s was replaced", b.Key)
		}
		w.entries[b.Key] = string(raw)
	}
	if err != nil {
		w.fail("looking at the place: %v", err)
	}
}

// acknowledged records that a site has acknowledged a command.
func (w *replicas) acknowledged(s *replicaSite) {
	w.counts["acknowledged"]++
	if s.fence < w.newest {
		w.fail("%s acknowledged a command after the site of fence %d had", s.name, w.newest)
	}
	if s.fence > 0 {
		w.counts["acknowledged after a promotion"]++
	}
	w.newest = max(w.newest, s.fence)
}

// settle mends everything and compares all sites with the log of the place.
func (w *replicas) settle() {
	w.depth = replicaDepth // nothing else happens
	for _, land := range w.late {
		land()
	}
	w.look()
	there := newReplicaSite(w, "reader")
	if err := there.follower(w.place).CatchUp(w.ctx); err != nil {
		w.fail("the place has no whole log: %v", err)
		return
	}
	has := there.ids()
	for _, s := range w.sites {
		s.settle(has)
	}
}
