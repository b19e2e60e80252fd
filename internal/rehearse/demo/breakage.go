package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/operate/timeline"
	"gakushoku/internal/rehearse/loadgen"
)

// breakReadModel writes the lunch's rows with a fold that has a bug, as a bad deployment would.
func (s *story) breakReadModel(ctx context.Context) error {
	return s.withFolder(ctx, func(f *embedded.Folder) error {
		bad := loadgen.BadOrders(order.PaidType, "")
		p, err := f.Control.Pointer(ctx, bad.Name)
		if err != nil {
			return err
		}
		active, ok := p.ActiveVersion()
		if !ok {
			return errors.New("there is no active version")
		}
		streams := make([]string, len(s.lunch))
		for i, id := range s.lunch {
			streams[i] = order.Stream(id)
		}
		if err := f.Projector().Heal(ctx, bad, p.Table(active), streams); err != nil {
			return err
		}
		s.out.say("before it is taken back it has written the rows of %d orders, without %s", len(streams), order.PaidType)
		return nil
	})
}

// complaint checks that the list is wrong now.
func (s *story) complaint(ctx context.Context) error {
	o, err := s.client.Order(ctx, s.victim, 0)
	if err != nil {
		return err
	}
	unpaid, err := s.client.List(ctx, readmodel.StatusOrdered)
	if err != nil {
		return err
	}
	if _, listed := unpaid[s.victim]; o.Status != readmodel.StatusOrdered || !listed {
		return fmt.Errorf("order %s is shown as %s: the demo could not break it", s.victim, o.Status)
	}
	s.out.bad(asked, "GET /orders/"+s.victim, "says "+o.Status)
	s.out.bad(asked, "GET /orders?status="+readmodel.StatusOrdered, "lists it with the unpaid ones")
	s.out.say("the guest's app shows x-correlation-id %s", s.correlationID)
	return nil
}

// traced bounds the entries of an operation; a payment has a handful of lines and one event.
const traced = 100

// investigate finds everything about the payment.
func (s *story) investigate(ctx context.Context) error {
	return s.withFolder(ctx, func(f *embedded.Folder) error {
		t, err := f.Timelines(traced, time.Time{}).Operation(ctx, s.correlationID)
		if err != nil {
			return err
		}
		s.typed("trace %s", s.correlationID)
		for i := range t.Entries {
			s.tellEntry(&t.Entries[i])
		}
		return s.findPayment(&t)
	})
}

// tellEntry shows one entry of the operation.
func (s *story) tellEntry(e *timeline.Entry) {
	text := fmt.Sprintf("%s  %-8s %-30s", e.At, e.Kind, e.What)
	switch {
	case e.Kind == timeline.KindEvent:
		text += fmt.Sprintf("  %s version %d", e.Stream, e.Version)
	case e.DurationMs != nil:
		text += fmt.Sprintf("  %s after %.1f ms", e.Result, *e.DurationMs)
	}
	s.out.log(strings.TrimSpace(text))
	for _, p := range e.Projected {
		s.out.log(fmt.Sprintf("%26s%-8s %-30s  %s, its row is at version %d", "", "", p.Table, p.State, p.RowVersion))
	}
}

func notApplied(p timeline.Projected) bool { return p.State != timeline.StateApplied }

// findPayment checks that the timeline is complete.
func (s *story) findPayment(t *timeline.Timeline) error {
	var found []string
	for _, e := range t.Entries {
		found = append(found, string(e.Kind)+" "+e.What)
		if e.What == order.PaidType && (e.Stream != order.Stream(s.victim) || len(e.Projected) == 0 || slices.ContainsFunc(e.Projected, notApplied)) {
			return fmt.Errorf("the payment was found as %+v", e)
		}
	}
	for _, want := range []string{"request POST /orders/" + s.victim + "/pay", "command PayOrder", "event " + order.PaidType, "log projection:apply"} {
		if !slices.Contains(found, want) {
			return fmt.Errorf("of operation %s there is no %s, only %s", s.correlationID, want, strings.Join(found, ", "))
		}
	}
	s.out.good("the payment is in the event store and was applied: the money is safe, the row is wrong")
	return nil
}
