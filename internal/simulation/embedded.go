package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
	"gakushoku/internal/wait"
)

// driver runs the steps of a rebuild in the process of the execution, as the embedded system
// does. When that crashes everything it does ends, and Resume may go on with it.
func (x *execution) driver() *reproject.Driver {
	e := x.w.rebuilder(x.process)
	e.Settings.VerifyParts = 1
	e.Progress = func(p reproject.Progress) {
		if p.Part == "" && p.Unit == "" {
			x.reaches(p.Step)
		}
	}
	d := &reproject.Driver{Engine: e, Workers: 2, Approve: func(ctx context.Context, _ reproject.Run) (reproject.Decision, error) {
		return reproject.Decision{Approved: x.person.approves}, wait.For(ctx, x.person.takes)
	}}
	if x.w.alone {
		d.Alone = func() bool { return !x.w.followed() }
	}
	return d
}

// cutOff is a run whose process has crashed and that nobody has gone on with; nil when there is
// none.
func (w *world) cutOff() *execution {
	for _, x := range w.executions {
		if w.embedded && x.ended && errors.Is(x.err, errCrashed) && !x.resumed && !w.running() {
			return x
		}
	}
	return nil
}

// resume goes on with a run that was cut off, in a new process.
func (w *world) resume() {
	cut := w.cutOff()
	cut.resumed = true
	x := w.newExecution(cut.id, cut.request)
	x.logged = cut.logged
	x.meddled = x.meddled || w.believedOver[x.id] || w.versionOf(x).State != projection.Building // its version may be gone, or in use
	w.s.counts["resumed"]++
	x.start(func(ctx context.Context) (err error) {
		x.run, err = x.driver().Resume(ctx, ordersName, x.id)
		return err
	})
}

// archiveFollower is the archiver of the embedded system.
func (w *world) archiveFollower(p *process) *eventlog.Follower {
	return &eventlog.Follower{
		Store: numbered{w.truth, p}, Appended: w.truth.nextAppend, Position: position{w, p}, Archiver: w.archiverFor(p),
		Events: w.batch, Linger: time.Second, Poll: time.Second,
	}
}

// followArchive starts an embedded archiver.
func (w *world) followArchive() {
	p := w.s.start(fmt.Sprintf("archiver-%d", w.s.started+1))
	p.speed = w.someSpeed()
	w.archivers = append(w.archivers, p)
	p.run(w.archiveFollower(p).Run, func(error) {})
}

// numbered is the event store as a process of the embedded system sees it: its events have
// numbers.
type numbered struct {
	truth *truth
	by    *process
}

func (s numbered) Since(ctx context.Context, m eventstore.Mark, limit int) (events []event.Event, last eventstore.Mark, err error) {
	last = m
	err = s.by.pass(ctx, reads, fmt.Sprintf("events after %d", m.Number), func(context.Context) error {
		if err := s.holds(m); err != nil {
			return err
		}
		events = append(events, s.truth.all[m.Number:min(m.Number+uint64(limit), uint64(len(s.truth.all)))]...)
		if len(events) > 0 {
			last = eventstore.Mark{Number: m.Number + uint64(len(events)), ID: events[len(events)-1].ID}
		}
		return nil
	})
	return events, last, err
}

func (s numbered) Head(ctx context.Context) (head uint64, err error) {
	err = s.by.pass(ctx, reads, "newest event", func(context.Context) error {
		head = uint64(len(s.truth.all))
		return nil
	})
	return head, err
}

func (s numbered) Holds(ctx context.Context, m eventstore.Mark) error {
	return s.by.pass(ctx, reads, fmt.Sprintf("event %d", m.Number), func(context.Context) error { return s.holds(m) })
}

func (s numbered) holds(m eventstore.Mark) error {
	if m.Number > 0 && s.truth.all[m.Number-1].ID != m.ID {
		return eventstore.ErrOtherStore
	}
	return nil
}

func (s numbered) MarkAfter(ctx context.Context, number uint64, count int) (m eventstore.Mark, err error) {
	m.Number = number + uint64(count)
	err = s.by.pass(ctx, reads, fmt.Sprintf("event %d", m.Number), func(context.Context) error {
		m.ID = s.truth.all[m.Number-1].ID
		return nil
	})
	return m, err
}

// position is how far the event store has been archived, as a process sees it.
type position struct {
	w  *world
	by *process
}

func (p position) Archived(ctx context.Context) (m eventstore.Mark, err error) {
	err = p.by.pass(ctx, reads, "archived", func(context.Context) error {
		m = p.w.archived
		return nil
	})
	return m, err
}

func (p position) SetArchived(ctx context.Context, m eventstore.Mark) error {
	return p.by.pass(ctx, writes, fmt.Sprintf("set archived %d", m.Number), func(context.Context) error {
		p.w.archived = m
		return nil
	})
}
