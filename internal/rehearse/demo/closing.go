package demo

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
)

// rollBack switches readers back to the old rows, checks that these have everything that came since, and
// switches forward again.
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
	commands := s.traffic.SoFar().Commands - s.switched.Commands
	s.out.bad(asked, "GET /orders/"+s.victim, fmt.Sprintf("says %s: readers see v%d", readmodel.StatusOrdered, before))
	s.out.good("of its %s rows only the %d old ones are wrong: what %d commands did since the switch is all there", grouped(v.Rows), len(s.lunch), commands)
	after, err := s.turn(ctx, readmodel.StatusPaid)
	if err != nil {
		return err
	}
	s.out.good(asked, "GET /orders/"+s.victim, fmt.Sprintf("says %s: readers see v%d", readmodel.StatusPaid, after))
	return nil
}

// turn switches readers to the other version and waits until they see it.
func (s *story) turn(ctx context.Context, status string) (version int, err error) {
	s.typed("projection rollback %s --force", readmodel.OrdersName)
	err = s.withFolder(ctx, func(f *embedded.Folder) error {
		version, err = f.Engine.Rollback(ctx, readmodel.OrdersName)
		return err
	})
	if err != nil {
		return version, err
	}
	return version, s.client.Shown(ctx, s.victim, status)
}

// cleanUp drops the old version.
func (s *story) cleanUp(ctx context.Context) error {
	s.typed("projection cleanup %s", readmodel.OrdersName)
	return s.withFolder(ctx, func(f *embedded.Folder) error {
		dropped, err := f.CleanUp(ctx, readmodel.OrdersName, true)
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

// closing ends the traffic and counts everything once more.
func (s *story) closing(ctx context.Context) error {
	s.traffic.Close()
	s.typed("projection verify %s", readmodel.OrdersName)
	sum := s.traffic.SoFar()
	if sum.Orders == 0 {
		return fmt.Errorf("the guests finished no order in %d requests", sum.Requests())
	}
	v, err := s.check(ctx)
	if err != nil {
		return err
	}
	if !v.Sound || v.Found() > 0 {
		return fmt.Errorf("verify found %v and wrong totals %v at the end", v.Counts, v.Totals)
	}
	events, err := s.events(ctx)
	if err != nil {
		return err
	}
	s.out.good("events       %s of %s orders, products and stocks, the same in the log and in the event store", grouped(events.Events), grouped(events.Streams))
	s.out.good("read model   %s rows and %d totals are what the events say", grouped(v.Rows), v.Checked)
	s.out.good("guests       %s requests (%s commands, %s queries): %d failed, %d stale answers, p95 %.1f ms", grouped(sum.Requests()),
		grouped(sum.Commands), grouped(sum.Queries), sum.Failed, sum.Stale, float64(sum.P95())/float64(time.Millisecond))
	return nil
}

// events compares the numbered log with the event store, event by event.
func (s *story) events(ctx context.Context) (report *logcheck.EventsReport, err error) {
	s.typed("events verify --deep")
	err = s.withFolder(ctx, func(f *embedded.Folder) error {
		if report, err = f.LogCheck.VerifyEvents(ctx, true); err != nil {
			return err
		}
		if !report.Sound || report.Events < yesterdaysOrders+2*lunchOrders {
			return fmt.Errorf("log and event store are not the same: %+v", *report)
		}
		return nil
	})
	return report, err
}
