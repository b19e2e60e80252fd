package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
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

// replicaSite is one installation.
type replicaSite struct {
	w    *replicas
	name string
	cut  bool
	sent int

	events *memory.Events
	ledger *memory.Ledger
	blobs  *memory.Blobs
	logged eventstore.Mark

	primary                       *replica.Primary // nil: it follows
	standby                       *replica.Standby
	promotion                     *replica.Promotion // under way
	fence                         uint64             // by which it became the primary
	copying, contacting, stepping bool
	told                          []string // ids of events whose commands were acknowledged
}

func newReplicaSite(w *replicas, name string) *replicaSite {
	s := &replicaSite{w: w, name: name, events: memory.NewEvents(), ledger: memory.NewLedger(), blobs: memory.NewBlobs()}
	place := w.seen(s)
	if w.mutation.Standby != nil {
		place = w.mutation.Standby(place)
	}
	s.standby = s.follower(place)
	return s
}

func (s *replicaSite) clock() time.Time { return s.w.now }

func (s *replicaSite) id() string { s.sent++; return fmt.Sprintf("%s-%d", s.name, s.sent) }

func (s *replicaSite) log() *eventlog.Reader {
	return &eventlog.Reader{Ledger: s.ledger, Blobs: s.blobs}
}

func (s *replicaSite) follower(place eventlog.Blobs) *replica.Standby {
	return &replica.Standby{
		Place: place, Events: s.events, Ledger: s.ledger, Blobs: s.blobs, Now: s.clock, NewID: s.id,
		Took: s.SetArchived,
	}
}

// lead makes the site the primary, or a new process of it.
func (s *replicaSite) lead(fence uint64) {
	about := replica.About{LeaseMs: replicaLease.Milliseconds()}
	if s.w.mutation.NoLease {
		about.LeaseMs = 0
	}
	s.fence, s.promotion = fence, nil
	s.primary = &replica.Primary{Log: s.log(), Place: s.w.seen(s), About: about, Now: s.clock}
}

// act lets the site do something.
func (s *replicaSite) act(n int) {
	switch {
	case s.primary == nil:
		s.follow(n)
	case n < 9:
		s.command()
	case n < 11:
		s.archive()
	case n < 15 && !s.copying && (!s.contacting || !s.primary.Standing().Contact.IsZero()):
		s.copying = true
		s.primary.Copy(s.w.ctx) //nolint:errcheck // it is tried again
		s.copying = false
	case n < 19 && !s.contacting && (!s.copying || !s.primary.Standing().Contact.IsZero()):
		s.contact()
	case n == 19 && !s.copying && !s.contacting:
		s.w.counts["crash"]++
		s.lead(s.fence)
	}
}

func (s *replicaSite) contact() {
	s.contacting = true
	defer func() { s.contacting = false }()
	s.primary.Contact(s.w.ctx) //nolint:errcheck // it is tried again
}

// follow lets a standby do something.
func (s *replicaSite) follow(n int) {
	switch {
	case s.promotion != nil:
		if s.w.mutation.NoWait || s.w.now.Sub(s.promotion.At) >= replicaLease {
			s.w.counts["promoted"]++
			s.lead(s.promotion.Number)
		}
	case s.stepping:
	case n == 19:
		s.stepping = true
		if done, err := s.standby.Fence(s.w.ctx, s.name); err == nil {
			s.promotion = &done
		}
		s.stepping = false
	default:
		s.stepping = true
		s.standby.Step(s.w.ctx) //nolint:errcheck // it is tried again
		s.stepping = false
	}
}

// command is one that begins a stream of its own.
func (s *replicaSite) command() {
	if s.primary.Allow() != nil {
		return
	}
	id := s.id()
	e := event.Event{ID: id, Type: "T", Schema: 1, OccurredAt: event.InstantOf(s.w.now), CorrelationID: "c", Payload: []byte("{}")}
	if err := s.events.Append(s.w.ctx, "s-"+id, 0, []event.Event{e}); err != nil {
		s.w.fail("appending: %v", err)
	}
	s.w.meanwhile()
	if s.primary.Allow() == nil {
		s.told = append(s.told, id)
		s.w.acknowledged(s)
	}
}

func (s *replicaSite) archive() {
	f := &eventlog.Follower{Store: s.events, Position: s, Archiver: &eventlog.Archiver{Ledger: s.ledger, Blobs: s.blobs, Now: s.clock, NewID: s.id}}
	if err := f.CatchUp(s.w.ctx); err != nil {
		s.w.fail("%s archives: %v", s.name, err)
	}
}

// Archived implements eventlog.Position.
func (s *replicaSite) Archived(context.Context) (eventstore.Mark, error) { return s.logged, nil }

// SetArchived implements eventlog.Position.
func (s *replicaSite) SetArchived(_ context.Context, m eventstore.Mark) error {
	s.logged = m
	return nil
}

// ids returns the ids of the events of the log.
func (s *replicaSite) ids() map[string]bool {
	found := map[string]bool{}
	head, err := s.ledger.Head(s.w.ctx)
	if err == nil {
		err = s.log().Events(s.w.ctx, 0, head.Number, func(_ uint64, e *event.Event) error {
			found[strings.Clone(e.ID)] = true
			return nil
		})
	}
	if err != nil {
		s.w.fail("reading the log of %s: %v", s.name, err)
	}
	return found
}

// settle checks that what the site has acknowledged is in the log of the place, or is what rejoin tells, and that a
// site that only follows has a part of that log from its beginning on.
func (s *replicaSite) settle(has map[string]bool) {
	if s.primary != nil {
		s.archive()
	}
	d, err := replica.Compare(s.w.ctx, s.log(), s.w.place)
	if err != nil {
		s.w.fail("comparing %s: %v", s.name, err)
		return
	}
	if s.primary == nil && d.Common != d.Ours {
		s.w.fail("%s follows, and has the log of the place up to %d of %d", s.name, d.Common, d.Ours)
	}
	lost := map[string]bool{}
	err = replica.Lost(s.w.ctx, s.log(), s.w.place, d, func(e *event.Event) error {
		if has[e.ID] {
			s.w.fail("%s is not lost", e.ID)
		}
		lost[strings.Clone(e.ID)] = true
		return nil
	})
	if err != nil {
		s.w.fail("what %s alone has: %v", s.name, err)
	}
	for _, id := range s.told {
		if has[id] == lost[id] {
			s.w.fail("%s acknowledged %s: in the log of the place is %t, told by rejoin is %t", s.name, id, has[id], lost[id])
		}
		if lost[id] {
			s.w.counts["lost"]++
		}
	}
}

// seen is the place as a site sees it.
func (w *replicas) seen(s *replicaSite) eventlog.Blobs {
	var place eventlog.Blobs = w.place
	if w.mutation.Place != nil {
		place = w.mutation.Place(place)
	}
	return &farPlace{Blobs: place, site: s}
}

// meanwhile lets other things happen.
func (w *replicas) meanwhile() {
	if w.depth >= replicaDepth {
		return
	}
	w.depth++
	for w.broken == "" && w.random.IntN(3) == 0 {
		w.act()
	}
	w.depth--
}

var errLink = fault.Unavailable(errors.New("the link is cut"))

// farPlace is a place behind a link.
type farPlace struct {
	eventlog.Blobs
	site *replicaSite
}

// call carries a call over the link.
func (p *farPlace) call(writes bool, do func() error) error {
	w := p.site.w
	w.meanwhile()
	if p.site.cut {
		return errLink
	}
	var err error
	switch n := w.random.IntN(40); {
	case writes && n == 0:
		w.late = append(w.late, func() { do() }) //nolint:errcheck // nobody hears of it
		return errLink
	case n == 1:
		return errLink
	case n == 2:
		do() //nolint:errcheck // the response is lost
		err = errLink
	default:
		err = do()
	}
	if w.depth < replicaDepth {
		slowest := 3000 // milliseconds under way
		if w.random.IntN(6) == 0 {
			slowest = 90_000
		}
		w.meanwhile()
		w.now = w.now.Add(time.Duration(w.random.IntN(slowest)) * time.Millisecond)
	}
	w.meanwhile()
	return err
}

func (p *farPlace) Get(ctx context.Context, key string) (data []byte, err error) {
	err = p.call(false, func() (err error) { data, err = p.Blobs.Get(ctx, key); return err })
	return data, err
}

func (p *farPlace) List(ctx context.Context, prefix, after string, limit int) (found []eventlog.Blob, err error) {
	err = p.call(false, func() (err error) { found, err = p.Blobs.List(ctx, prefix, after, limit); return err })
	return found, err
}

func (p *farPlace) Put(ctx context.Context, key string, data []byte) error {
	return p.call(true, func() error { return p.Blobs.Put(ctx, key, data) })
}

func (p *farPlace) Create(ctx context.Context, key string, data []byte) error {
	return p.call(true, func() error { return p.Blobs.Create(ctx, key, data) })
}
