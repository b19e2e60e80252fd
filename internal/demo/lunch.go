package demo

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/app"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/transfer"
)

type line struct {
	Product   string `json:"product"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unitPrice"`
}

// menu is what the guests of the demo eat.
var menu = []line{{"katsu curry", 1, 680}, {"miso ramen", 1, 620}, {"onigiri", 2, 140}, {"kitsune udon", 1, 450}, {"karaage don", 1, 580}}

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
		dish := menu[n%len(menu)]
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
	paid := make([]order, lunchOrders)
	operations := make([]string, lunchOrders)
	for n := range lunchOrders {
		group.Go(func() (err error) {
			id := fmt.Sprintf("lunch-%02d", n+1)
			if _, err = s.client.place(groupCtx, id, menu[n%len(menu)]); err != nil {
				return err
			}
			paid[n], operations[n], err = s.client.pay(groupCtx, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for n, o := range paid {
		s.lunch = append(s.lunch, o.OrderID)
		if n < len(menu) {
			s.out.say("%-14s %3d yen   %s   %s", menu[n].Product, o.Total, o.OrderID, o.Status)
		}
	}
	s.victim, s.correlationID = paid[lunchOrders-1].OrderID, operations[lunchOrders-1]
	for _, id := range s.lunch {
		if err := s.client.shown(ctx, id, readmodel.StatusPaid); err != nil {
			return err
		}
	}
	s.out.good("%d orders placed and paid, all shown as PAID; %s of yesterday are there too", lunchOrders, grouped(yesterdaysOrders))
	s.out.good("%d more guests go on ordering, paying and asking until the end, and the kitchen cooks", len(guests))
	return nil
}
