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
	menu, err := loadgen.SampleMenu()
	if err != nil {
		return err
	}
	at := time.Now().Add(-24 * time.Hour)
	for n := range yesterdaysOrders {
		dish := menu.Products[n%len(menu.Products)]
		id := fmt.Sprintf("yesterday-%04d", n+1)
		for i, p := range []event.Payload{
			order.Placed{OrderID: id, Lines: []order.Line{{ProductID: dish.ProductID, Product: dish.NameJa, Quantity: 1, UnitPrice: dish.Price}}, Total: dish.Price},
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
	s.typed("menu import events/menu.csv")
	if err := s.client.OpenMenu(ctx); err != nil {
		return err
	}
	s.traffic.Start(ctx)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(lunchTills)
	paid := make([]loadgen.Order, lunchOrders)
	operations := make([]string, lunchOrders)
	for n := range lunchOrders {
		group.Go(func() (err error) {
			id := fmt.Sprintf("lunch-%02d", n+1)
			if _, err = s.client.Place(groupCtx, id, loadgen.Orders[n%len(loadgen.Orders)]); err != nil {
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
		if n < len(loadgen.Orders) {
			s.out.say("%d %-12s %3d yen   %s   %s", loadgen.Orders[n].Quantity, loadgen.Orders[n].ProductID, o.Total, o.OrderID, o.Status)
		}
	}
	s.victim, s.correlationID = paid[lunchOrders-1].OrderID, operations[lunchOrders-1]
	for _, id := range s.lunch {
		if err := s.client.Shown(ctx, id, readmodel.StatusPaid); err != nil {
			return err
		}
	}
	s.out.good("%d orders of the menu placed and paid, their portions sold, all shown as PAID; %s of yesterday are there too", lunchOrders, grouped(yesterdaysOrders))
	s.out.good("%d more guests go on ordering, paying and asking until the end, and the kitchen cooks", len(loadgen.Names))
	return nil
}
