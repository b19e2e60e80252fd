package demo

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/loadgen"
)

const (
	yesterdaysOrders = 2000
	lunchOrders      = 40
	lunchTills       = 4 // at which they are placed
)

// yesterday imports orders of the day before, so that there is something to replay.
func (s *story) yesterday(ctx context.Context) error {
	var log bytes.Buffer
	at := time.Now().Add(-24 * time.Hour)
	for n := range yesterdaysOrders {
		dish := loadgen.Menu[n%len(loadgen.Menu)]
		id := fmt.Sprintf("yesterday-%04d", n+1)
		for i, p := range []event.Payload{
			order.Placed{OrderID: id, Lines: []order.Line{{Product: dish.Product, Quantity: dish.Quantity, UnitPrice: dish.UnitPrice}}, Total: dish.Quantity * dish.UnitPrice},
			order.Paid{OrderID: id, PaidAt: event.InstantOf(at), Method: order.MethodCash},
			order.PreparationStarted{OrderID: id}, order.Ready{OrderID: id}, order.PickedUp{OrderID: id},
		} {
			e, err := event.New(p)
			if err != nil {
				return err
			}
			e.ID, e.OccurredAt = observe.NewID(), event.InstantOf(at.Add(time.Duration(i)*time.Second))
			log.Write(append(event.AppendJSON(nil, &e), '\n'))
		}
	}
	return s.withFolder(ctx, func(f *embedded.Folder) error {
		_, err := eventio.Import(ctx, &log, f.Events, eventio.Options{SpoolDir: s.dir})
		return err
	})
}

// lunchtime places and pays orders, and waits until the list shows them.
func (s *story) lunchtime(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(lunchTills)
	paid := make([]loadgen.Order, lunchOrders)
	operations := make([]string, lunchOrders)
	for n := range lunchOrders {
		group.Go(func() (err error) {
			id := fmt.Sprintf("lunch-%02d", n+1)
			if _, err = s.client.Place(groupCtx, id, loadgen.Menu[n%len(loadgen.Menu)]); err != nil {
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
		if n < len(loadgen.Menu) {
			s.out.say("%-14s %3d yen   %s   %s", loadgen.Menu[n].Product, o.Total, o.OrderID, o.Status)
		}
	}
	s.victim, s.correlationID = paid[lunchOrders-1].OrderID, operations[lunchOrders-1]
	for _, id := range s.lunch {
		if err := s.client.Shown(ctx, id, readmodel.StatusPaid); err != nil {
			return err
		}
	}
	s.out.good("%d orders placed and paid, all shown as PAID; %s of yesterday are there too", lunchOrders, grouped(yesterdaysOrders))
	s.out.good("%d more guests go on ordering, paying and asking until the end, and the kitchen cooks", len(loadgen.Names))
	return nil
}
