package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/app"
	"gakushoku/internal/event"
	"gakushoku/internal/logsearch"
	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/reproject"
)

type line struct {
	Product   string `json:"product"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unitPrice"`
}

// menu is what the guests of the demo eat.
var menu = []line{{"katsu curry", 1, 680}, {"miso ramen", 1, 620}, {"onigiri", 2, 140}, {"udon", 1, 450}}

// lunch places and pays orders, and waits until the list shows them.
func (s *story) lunch(ctx context.Context) error {
	for i, dish := range menu {
		var placed order
		if _, err := s.client.post(ctx, "/orders", fmt.Sprintf("place-%d", i), map[string]any{"lines": []line{dish}}, &placed); err != nil {
			return err
		}
		s.orders = append(s.orders, placed.OrderID)
		var paid order
		id, err := s.client.post(ctx, "/orders/"+placed.OrderID+"/pay", fmt.Sprintf("pay-%d", i), map[string]any{"paymentMethod": "CARD"}, &paid)
		if err != nil {
			return err
		}
		s.victim, s.correlationID = placed.OrderID, id
		s.out.say("%-12s %4d yen   order %s   %s", dish.Product, paid.Total, paid.OrderID, paid.Status)
	}
	if err := s.waitFor(ctx, readmodel.StatusPaid); err != nil {
		return err
	}
	s.out.good("%d orders, all shown as PAID", len(s.orders))
	return nil
}

// waitFor waits until the victim is shown with a status.
func (s *story) waitFor(ctx context.Context, status string) error {
	var last order
	for range 200 {
		o, err := s.client.status(ctx, s.victim)
		if last = o; err == nil && o.Status == status {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("order %s is shown as %q, not %s", s.victim, last.Status, status)
}

// forgetful is the fold of the bad deployment: it loses payments.
type forgetful struct{ readmodel.Order }

// Apply drops what OrderPaid says.
func (r *forgetful) Apply(e *event.Event) error {
	if e.Type == event.OrderPaidType {
		return nil
	}
	return r.Order.Apply(e)
}

// breakReadModel writes every row with a fold that has a bug, as a bad deployment would.
func (s *story) breakReadModel(ctx context.Context) error {
	return s.withFolder(ctx, func(f *app.Folder) error {
		bad := projection.Orders()
		bad.NewRow = func() readmodel.Row { return new(forgetful) }
		p, err := f.Control.Pointer(ctx, bad.Name)
		if err != nil {
			return err
		}
		active, ok := p.ActiveVersion()
		if !ok {
			return errors.New("there is no active version")
		}
		var streams []string
		for _, id := range s.orders {
			streams = append(streams, event.OrderStream(id))
		}
		if err := f.Projector().Heal(ctx, bad, p.Table(active), streams); err != nil {
			return err
		}
		s.out.say("its fold of %s ignores %s, and it has rewritten %d rows", bad.Name, event.OrderPaidType, len(streams))
		return nil
	})
}

// withFolder opens the server's data folder from outside, as the command line does.
func (s *story) withFolder(ctx context.Context, use func(*app.Folder) error) error {
	f, err := app.OpenFolder(ctx, s.dir)
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

// complaint checks that the list is wrong now.
func (s *story) complaint(ctx context.Context) error {
	o, err := s.client.status(ctx, s.victim)
	if err != nil {
		return err
	}
	if o.Status != readmodel.StatusOrdered {
		return fmt.Errorf("order %s is shown as %s: the demo could not break it", s.victim, o.Status)
	}
	s.out.bad("GET /orders/%s says %s", s.victim, o.Status)
	s.out.say("the guest's app shows x-correlation-id %s", s.correlationID)
	return nil
}

// logLines collects the lines of a search.
type logLines struct{ messages, lines []string }

// Line takes one line of the log.
func (l *logLines) Line(raw []byte) error {
	var fields struct {
		Time     string  `json:"timestamp"`
		Message  string  `json:"message"`
		Result   string  `json:"result"`
		EventID  string  `json:"eventId"`
		Duration float64 `json:"durationMs"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("a log line is not JSON: %w", err)
	}
	l.messages = append(l.messages, fields.Message)
	text := fields.Time + "  " + fields.Message
	if fields.Result != "" {
		text += fmt.Sprintf("  result=%s durationMs=%.1f", fields.Result, fields.Duration)
	}
	if fields.EventID != "" {
		text += "  eventId=" + fields.EventID
	}
	l.lines = append(l.lines, text)
	return nil
}

// Flush has nothing to do.
func (l *logLines) Flush() error { return nil }

// investigate finds the payment in the log and in the events.
func (s *story) investigate(ctx context.Context) error {
	var found logLines
	query := logsearch.Query{CorrelationID: s.correlationID}
	if err := logsearch.Search(ctx, app.LogFile(s.dir), query, 0, &found); err != nil {
		return err
	}
	s.out.say("$ gakushoku logs --correlation-id %s", s.correlationID)
	for _, l := range found.lines {
		s.out.log(l)
	}
	for _, want := range []string{"request:start", "command:start", "command:success", "request:end", "projection:apply"} {
		if !slices.Contains(found.messages, want) {
			return fmt.Errorf("the log of operation %s has no %s, only %s", s.correlationID, want, strings.Join(found.messages, ", "))
		}
	}
	var history struct {
		Events []struct {
			Type          string `json:"type"`
			CorrelationID string `json:"correlationId"`
		} `json:"events"`
	}
	if err := s.client.get(ctx, "/orders/"+s.victim+"/events", &history); err != nil {
		return err
	}
	for _, e := range history.Events {
		if e.Type == event.OrderPaidType && e.CorrelationID == s.correlationID {
			s.out.good("the command succeeded and %s is in the event store: the money is safe, the row is wrong", e.Type)
			return nil
		}
	}
	return fmt.Errorf("no %s of operation %s in the event store", event.OrderPaidType, s.correlationID)
}

// repair rebuilds the read model from the events.
func (s *story) repair(ctx context.Context) error {
	s.out.say("$ gakushoku projection rebuild %s", readmodel.OrdersName)
	return s.withFolder(ctx, func(f *app.Folder) error {
		run, err := f.Rebuild(ctx, reproject.Request{Projection: readmodel.OrdersName}, app.RebuildOptions{})
		if err != nil {
			return err
		}
		if run.Replay.Rows != int64(len(s.orders)) {
			return fmt.Errorf("%d orders were folded, there are %d", run.Replay.Rows, len(s.orders))
		}
		s.out.good("%d orders folded from the log into %s, verified, readers switched from v%d", run.Replay.Rows, run.Table(), run.FromVersion)
		return nil
	})
}

// proof checks every order and the day's sales.
func (s *story) proof(ctx context.Context) error {
	if err := s.waitFor(ctx, readmodel.StatusPaid); err != nil {
		return err
	}
	var total int64
	var page struct {
		Orders []order `json:"orders"`
	}
	if err := s.client.get(ctx, "/orders?status="+readmodel.StatusPaid, &page); err != nil {
		return err
	}
	for _, o := range page.Orders {
		total += o.Total
	}
	if len(page.Orders) != len(s.orders) {
		return fmt.Errorf("%d orders are shown as PAID, want %d", len(page.Orders), len(s.orders))
	}
	var sales struct {
		Paid    int64            `json:"paid"`
		Revenue map[string]int64 `json:"revenue"`
	}
	day := readmodel.BusinessDay(event.InstantOf(time.Now()))
	if err := s.client.get(ctx, "/sales/"+day, &sales); err != nil {
		return err
	}
	if sales.Paid != int64(len(s.orders)) || sales.Revenue["CARD"] != total {
		return fmt.Errorf("the sales of %s are %+v, want %d paid and %d yen", day, sales, len(s.orders), total)
	}
	s.out.good("GET /orders/%s says %s", s.victim, readmodel.StatusPaid)
	s.out.good("GET /sales/%s says %d paid, %d yen by card", day, sales.Paid, total)
	return nil
}
