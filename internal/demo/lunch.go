package demo

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/app"
	"gakushoku/internal/event"
	"gakushoku/internal/guests"
	"gakushoku/internal/observe"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/transfer"
)

const (
	yesterdaysOrders = 2000
	lunchOrders      = 40
	lunchTills       = 4 // at which they are placed
)

// yesterday brings in the orders of the day before, so that there is something to replay.
func (s *story) yesterday(ctx context.Context) error {
	var log bytes.Buffer
	at := time.Now().Add(-24 * time.Hour)
	for n := range yesterdaysOrders {
		dish := guests.Menu[n%len(guests.Menu)]
		id := fmt.Sprintf("yesterday-%04d", n+1)
		for i, p := range []event.Payload{
			event.OrderPlaced{OrderID: id, Lines: []event.Line{event.Line(dish)}, Total: dish.Quantity * dish.UnitPrice},
			event.OrderPaid{OrderID: id, PaidAt: event.InstantOf(at), Method: event.MethodCash},
			event.OrderPreparationStarted{OrderID: id}, event.OrderReady{OrderID: id}, event.OrderPickedUp{OrderID: id},
		} {
			e, err := event.New(p)
			if err != nil {
				return err
			}
			e.ID, e.OccurredAt = observe.NewID(), event.InstantOf(at.Add(time.Duration(i)*time.Second))
			log.Write(append(event.AppendJSON(nil, &e), '\n'))
		}
	}
	return s.withFolder(ctx, func(f *app.Folder) error {
		_, err := transfer.Import(ctx, &log, f.Events, transfer.Options{SpoolDir: s.dir})
		return err
	})
}

// lunchtime places and pays orders, and waits until the list shows them.
func (s *story) lunchtime(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(lunchTills)
	paid := make([]guests.Order, lunchOrders)
	operations := make([]string, lunchOrders)
	for n := range lunchOrders {
		group.Go(func() (err error) {
			id := fmt.Sprintf("lunch-%02d", n+1)
			if _, err = s.client.Place(groupCtx, id, guests.Menu[n%len(guests.Menu)]); err != nil {
				return err
			}
			paid[n], operations[n], err = s.client.Pay(groupCtx, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for n, o := range paid {
		s.lunch = append(s.lunch, o.OrderID)
		if n < len(guests.Menu) {
			s.out.say("%-14s %3d yen   %s   %s", guests.Menu[n].Product, o.Total, o.OrderID, o.Status)
		}
	}
	s.victim, s.correlationID = paid[lunchOrders-1].OrderID, operations[lunchOrders-1]
	for _, id := range s.lunch {
		if err := s.client.Shown(ctx, id, readmodel.StatusPaid); err != nil {
			return err
		}
	}
	s.out.good("%d orders placed and paid, all shown as PAID; %s of yesterday are there too", lunchOrders, grouped(yesterdaysOrders))
	s.out.good("%d more guests go on ordering, paying and asking until the end, and the kitchen cooks", len(guests.Names))
	return nil
}
