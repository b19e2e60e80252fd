package simulation

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/store/memory"
)

// world is one run: the stores, the processes that work on them, and the properties of this seed's run.
type world struct {
	s        *scheduler
	mutation Mutation
	domain   domain
	broken   string // the first promise that was broken

	truth   *truth
	tables  *memory.Tables
	control *memory.Control
	ledger  eventlog.Ledger
	blobs   *memory.Blobs

	transit    []underWay
	shards     []*shard
	readers    []*reader // of the projector
	sources    []*reader // of the archiver
	archivers  []*process
	projectors []*projector
	guests     []*guest
	embedded   bool            // a follower of the feed in place of functions at a stream
	followers  []*process      // all that were started
	applied    int             // events that a follower has brought in
	promisedTo uint64          // up to which it has said so
	archived   eventstore.Mark // the position of the embedded archiver
	alone      bool            // a rebuild may find that no projector is at work
	executions []*execution    // in the order of their starts
	operating  int             // operator's commands under way
	meddling   []*process      // those of them that change the pointer
	switches   int             // that runs have made
	upgrade    bool            // the second revision is deployed on the way
	deployed   int             // how many revisions the code has
	revisions  map[int]int     // of the table versions

	// believedOver are runs that were reported as not going on: their versions
	// may be taken away from then on.
	believedOver map[string]bool

	// The properties of this run. Runs differ much, so that each is extreme in some way.
	writes    int              // still to be made
	later     int              // how many of them are not made at the beginning
	pace      [3]time.Duration // the most time that passes at once
	streams   int              // that are written
	batch     int              // the largest one
	poison    int              // one event of so many cannot be applied
	steps     int              // of the busy part
	again     float64
	disorder  float64
	loss      float64 // how often records expire unread
	straggle  float64 // how many events take very long to arrive
	slow      float64
	hurry     float64 // how often a state of a rebuild has little time
	runs      int     // rebuilds still to be started
	calm      float64 // of the operator
	hasty     bool    // the operator cleans up right after a switch
	tidy      bool    // and is about to
	brisk     float64 // how fast the functions of a rebuild are
	stirs     bool    // much happens at once when the pointer has changed
	still     int     // until this step time stands still
	fresh     float64 // how often a function gets another instance although one is idle
	snapshots bool    // the stores have them, and keep the order of names
	actions   []action
	parts     parts
}

// action is something that may happen next.
type action struct {
	weight   float64
	possible func() bool
	do       func()
}

// someRate returns 0 half of the time, otherwise a random rate up to most.
func (w *world) someRate(most float64) float64 {
	if w.s.random.IntN(2) == 0 {
		return 0
	}
	return most * w.s.random.Float64()
}

// someWeight returns a weight that differs much from run to run.
func (w *world) someWeight() float64 {
	return [...]float64{0.1, 0.3, 1, 1, 3}[w.s.random.IntN(5)]
}

// someSpeed returns the speed of a new process: most are equally fast, some hardly get a turn.
func (w *world) someSpeed() float64 {
	if w.s.random.Float64() >= w.slow {
		return 1
	}
	return [...]float64{0.1, 0.01, 0.003}[w.s.random.IntN(3)]
}

func newWorld(s *scheduler, seed uint64, m Mutation) *world {
	w := &world{s: s, mutation: m, domain: domainOf(seed), tables: memory.NewTables(), control: memory.NewControl(), ledger: memory.NewLedger(), blobs: memory.NewBlobs(), deployed: 1, revisions: map[int]int{}, believedOver: map[string]bool{}}
	if m.Ledger != nil {
		w.ledger = m.Ledger(w.ledger)
	}
	w.truth = newTruth(w.domain)
	s.count("plays " + w.domain.name())
	w.truth.appended = w.send
	r := s.random
	w.writes, w.streams, w.batch = 10+r.IntN(30), 1+r.IntN(4), 1+r.IntN(8)
	w.later = w.writes - 3 - r.IntN(10)
	for i := range w.pace {
		w.pace[i] = [...]time.Duration{10 * time.Millisecond, 500 * time.Millisecond, pointerTTL / 2, 3 * pointerTTL}[r.IntN(4)]
	}
	w.poison, w.steps = [...]int{15, 60, 100_000}[r.IntN(3)], 400+r.IntN(1000)
	w.runs, w.hurry, w.snapshots = 1+r.IntN(3), w.someRate(0.5), r.IntN(3) == 0
	w.upgrade, w.hasty = r.IntN(3) == 0, r.IntN(4) == 0
	w.stirs, w.loss = r.IntN(2) == 0, [...]float64{0, 0, 0.1}[r.IntN(3)]
	w.brisk, w.calm, w.fresh = [...]float64{1, 1, 5, 20}[r.IntN(4)], [...]float64{1, 10, 100}[r.IntN(3)], w.someRate(0.5)
	if w.hasty {
		w.stirs, w.fresh = true, 0.4
	}
	w.again, w.disorder, w.straggle, w.slow = w.someRate(0.3), w.someRate(1), w.someRate(0.4), w.someRate(0.5)
	s.faults = faults{refuse: w.someRate(0.05), loseAnswer: w.someRate(0.05), late: w.someRate(0.05), crash: w.someRate(0.02), half: w.someRate(0.05)}
	for i := range 1 + r.IntN(2) {
		s := &shard{name: fmt.Sprintf("shard-%d", i)}
		w.shards = append(w.shards, s)
		w.readers = append(w.readers, &reader{shard: s})
		w.sources = append(w.sources, &reader{shard: s})
	}
	for range 1 + r.IntN(3) {
		w.projectors = append(w.projectors, w.startProjector())
	}
	for i := range 2 {
		w.guests = append(w.guests, w.startGuest(i))
	}
	if w.embedded, w.alone = r.IntN(3) == 0, r.IntN(2) == 0; w.embedded {
		w.follow()
		w.followArchive()
	}
	w.actions = w.everything()
	w.chooseParts(seed)
	return w
}

// everything returns what may happen in the busy part, apart from the calls at the gate.
func (w *world) everything() []action {
	random := w.s.random
	return []action{
		{w.someWeight(), func() bool { return w.writes > w.later && w.parts.older == nil }, w.writeSome},
		{w.someWeight() / 10, func() bool { return w.writes > 0 && w.parts.older == nil }, w.writeSome},
		{w.someWeight() * 2, func() bool { return len(w.arriving()) > 0 }, w.arrive},
		{w.someWeight(), w.projectorDue, func() { w.project(w.someDue(w.readers)) }},
		{w.someWeight() / 20, func() bool { return !w.embedded }, func() { w.project(w.readers[random.IntN(len(w.readers))]) }},
		{w.someWeight() / 5, func() bool { return true }, func() { w.ask(w.guests[random.IntN(len(w.guests))]) }},
		{w.someWeight() / 5, func() bool { return w.s.history.steps >= w.still }, w.someTime},
		{w.someWeight(), w.archiverDue, func() { w.archive(w.someDue(w.sources)) }},
		{w.someWeight() / 20, func() bool { return !w.embedded }, func() { w.archive(w.sources[random.IntN(len(w.sources))]) }},
		{w.someWeight(), func() bool { return w.embedded && !w.followed() }, w.follow},
		{w.someWeight() / 50, func() bool { return w.embedded }, w.follow},
		{w.someWeight(), func() bool { return w.embedded && !anyAlive(w.archivers) }, w.followArchive},
		{w.someWeight() / 50, func() bool { return w.embedded }, w.followArchive},
		{w.someWeight() / 10, func() bool { return w.cutOff() != nil }, w.resume},
		{w.someWeight() / 5, func() bool { return w.runs > 0 }, w.startRun},
		{w.someWeight() / 200, w.running, w.stopRun},
		{w.someWeight() / w.calm, func() bool { return w.switched() && w.operating < 3 }, w.rollBack},
		{w.someWeight() / w.calm, func() bool { return w.switched() && w.operating < 3 }, w.cleanUp},
		{3, func() bool { return w.tidy }, w.cleanUp},
		{w.someWeight() / 300, func() bool { return len(w.executions) > 0 && !w.running() && w.operating < 3 }, w.abandonAll},
		{w.someWeight() / 300, func() bool { return w.operating < 3 }, w.verifyLog},
		{w.someWeight() / 300, func() bool { return w.operating < 3 }, w.verifyRows},
		{w.someWeight() / 50, w.deployable, w.deploy},
		{w.loss, func() bool { return !w.embedded }, w.expire},
		{w.someWeight() * w.s.faults.crash, func() bool { return true }, w.crashSome},
	}
}

func (w *world) projectorDue() bool { return !w.embedded && anyDue(w.readers) }
func (w *world) archiverDue() bool  { return !w.embedded && anyDue(w.sources) }

// someDue returns a random reader that is due.
func (w *world) someDue(readers []*reader) *reader {
	var due []*reader
	for _, r := range readers {
		if r.due() {
			due = append(due, r)
		}
	}
	return due[w.s.random.IntN(len(due))]
}

// someTime lets time pass, at the pace of this run.
func (w *world) someTime() {
	limit := w.pace[w.s.random.IntN(len(w.pace))]
	w.s.passTime(time.Duration(1 + w.s.random.Int64N(int64(limit))))
}

// pointerMoved is called at every change of the pointer.
func (w *world) pointerMoved(from, to projection.Pointer) {
	for _, v := range to.Versions {
		w.revisions[v.Number] = v.Revision
	}
	before, _ := from.ActiveVersion()
	if after, _ := to.ActiveVersion(); after.Number != before.Number {
		w.switches++
		w.s.count("switch")
		w.tidy = w.hasty
	}
	w.stir()
}

// stir makes much happen while old and new knowledge of the pointer coexist: time stands still for a while,
// and there is something to write.
func (w *world) stir() {
	if w.stirs && w.writes+w.later > 0 {
		w.still = w.s.history.steps + w.s.random.IntN(200)
		w.later = max(0, w.later-1-w.s.random.IntN(3))
	}
}

// crashSome crashes a random process, which may be idle, so that it loses its memory.
func (w *world) crashSome() {
	if p := w.s.anyProcess(); p != nil {
		w.s.history.add(p.name, "crashes", crashBefore)
		p.crash()
	}
}

// next lets one thing happen, unless a promise is broken.
func (w *world) next() {
	w.s.look()
	if w.broken != "" {
		return
	}
	w.changeParts()
	sum := w.s.turns()
	turns := sum
	for i := range w.actions {
		if w.actions[i].possible() {
			sum += w.actions[i].weight
		}
	}
	at := w.s.random.Float64() * sum
	if at < turns {
		w.s.release()
		return
	}
	at -= turns
	for i := range w.actions {
		if !w.actions[i].possible() {
			continue
		}
		if at -= w.actions[i].weight; at < 0 {
			w.actions[i].do()
			return
		}
	}
}

// play runs the busy part, lets the world come to rest, and checks the result.
func (w *world) play(ctx context.Context) {
	w.revisions[1] = w.domain.revisions[0].Revision
	if err := projection.Ensure(ctx, w.control, w.tables, w.domain.revisions[0]); err != nil {
		w.violated("setting up: %v", err)
	}
	for range w.steps {
		w.next()
	}
	w.finish(ctx)
	w.s.end()
}

// violated records that a promise was broken.
func (w *world) violated(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.s.history.note("", "BROKEN: %s", w.broken)
	}
}
