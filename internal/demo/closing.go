package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/app"
	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
)

// rollBack shows readers the old rows again, checks that these lack nothing of what came since,
// and goes forward again.
func (s *story) rollBack(ctx context.Context) error {
	before, err := s.turn(ctx, readmodel.StatusOrdered)
	if err != nil {
		return err
	}
	v, err := s.check(ctx)
	if err == nil {
		err = s.damaged(&v)
	}
	if err != nil {
		return fmt.Errorf("after going back: %w", err)
	}
	commands := s.traffic.soFar().commands - s.switched.commands
	s.out.bad(asked, "GET /orders/"+s.victim, fmt.Sprintf("says %s: readers see v%d", readmodel.StatusOrdered, before))
	s.out.good("of its %s rows only the %d old ones are wrong: what %d commands did since the switch is all there", grouped(v.Rows), len(s.lunch), commands)
	after, err := s.turn(ctx, readmodel.StatusPaid)
	if err != nil {
		return err
	}
	s.out.good(asked, "GET /orders/"+s.victim, fmt.Sprintf("says %s: readers see v%d", readmodel.StatusPaid, after))
	return nil
}

// turn switches readers to the other version, and waits until they see it.
func (s *story) turn(ctx context.Context, status string) (version int, err error) {
	s.typed("projection rollback %s", readmodel.OrdersName)
	err = s.withFolder(ctx, func(f *app.Folder) error {
		version, err = f.Engine(nil).Rollback(ctx, readmodel.OrdersName)
		return err
	})
	if err != nil {
		return version, err
	}
	return version, s.client.shown(ctx, s.victim, status)
}

// cleanUp drops the old version.
func (s *story) cleanUp(ctx context.Context) error {
	s.typed("projection cleanup %s", readmodel.OrdersName)
	return s.withFolder(ctx, func(f *app.Folder) error {
		dropped, err := f.CleanUp(ctx, readmodel.OrdersName)
		if err != nil {
			return err
		}
		p, err := f.Control.Pointer(ctx, readmodel.OrdersName)
		if err != nil {
			return err
		}
		if len(dropped) != 1 || len(p.Versions) != 1 || p.Versions[0].State != projection.Active {
			return fmt.Errorf("dropped %v, and %+v is left", dropped, p.Versions)
		}
		s.out.good("v%d is dropped, v%d is left", dropped[0], p.Versions[0].Number)
		return nil
	})
}

// closing lets the guests go home and counts everything once more.
func (s *story) closing(ctx context.Context) error {
	s.traffic.close()
	sum := s.traffic.soFar()
	if sum.orders == 0 {
		return fmt.Errorf("the guests finished no order in %d requests", sum.requests())
	}
	v, err := s.check(ctx)
	if err != nil {
		return err
	}
	if !v.Sound || v.Found() > 0 {
		return fmt.Errorf("verify found %v and wrong totals %v at the end", v.Counts, v.Totals)
	}
	events, err := s.balance(ctx)
	if err != nil {
		return err
	}
	s.out.good("events       log and event store hold the same %s", grouped(events))
	s.out.good("read model   %s rows and %d totals are what the events say", grouped(v.Rows), v.Checked)
	s.out.good("guests       %s requests (%s commands, %s queries): %d failed, %d stale answers, p95 %.1f ms", grouped(sum.requests()),
		grouped(sum.commands), grouped(sum.queries), sum.failed, sum.stale, float64(sum.p95())/float64(time.Millisecond))
	return nil
}

// position is the place of an event in its stream.
type position struct {
	stream  string
	version uint64
}

// balance compares the numbered log with the event store, event by event.
func (s *story) balance(ctx context.Context) (events int, err error) {
	err = s.withFolder(ctx, func(f *app.Folder) error {
		if err := f.Archive(ctx); err != nil {
			return err
		}
		stored, err := storedEvents(ctx, f)
		if err != nil {
			return err
		}
		head, err := f.Log().Head(ctx)
		if err != nil {
			return err
		}
		seen := map[position]bool{}
		err = f.Log().Events(ctx, 0, head.Number, func(number uint64, e *event.Event) error {
			p := position{strings.Clone(e.Stream), e.Version}
			if stored[p] != e.ID {
				return fmt.Errorf("event %d of the log is %s of %s, the event store has %q there", number, e.ID, e.Stream, stored[p])
			}
			seen[p] = true
			return nil
		})
		if err == nil && len(seen) != len(stored) {
			err = fmt.Errorf("the log holds %d of the %d events in the event store", len(seen), len(stored))
		}
		events = len(stored)
		return err
	})
	return events, err
}

func storedEvents(ctx context.Context, f *app.Folder) (map[position]string, error) {
	stored := map[position]string{}
	for cursor := ""; ; {
		events, next, err := f.Events.Read(ctx, cursor, 1000)
		if err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return stored, nil
		}
		for i := range events {
			stored[position{events[i].Stream, events[i].Version}] = events[i].ID
		}
		cursor = next
	}
}
