package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

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
