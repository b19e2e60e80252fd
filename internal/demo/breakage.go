package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/app"
	"gakushoku/internal/event"
	"gakushoku/internal/logsearch"
	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
)

// forgetful is the fold of the bad deployment: it loses payments.
type forgetful struct{ readmodel.Order }

// Apply drops what OrderPaid says.
func (r *forgetful) Apply(e *event.Event) error {
	if e.Type == event.OrderPaidType {
		return nil
	}
	return r.Order.Apply(e)
}

// breakReadModel writes the lunch's rows with a fold that has a bug, as a bad deployment would.
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
		streams := make([]string, len(s.lunch))
		for i, id := range s.lunch {
			streams[i] = event.OrderStream(id)
		}
		if err := f.Projector().Heal(ctx, bad, p.Table(active), streams); err != nil {
			return err
		}
		s.out.say("before it is taken back it has written the rows of %d orders, without %s", len(streams), event.OrderPaidType)
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
	text := fmt.Sprintf("%s  %-16s", fields.Time, fields.Message)
	if fields.Result != "" {
		text += fmt.Sprintf("  %s in %.1f ms", fields.Result, fields.Duration)
	}
	if fields.EventID != "" {
		text += "  eventId " + fields.EventID
	}
	l.lines = append(l.lines, strings.TrimSpace(text))
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
	s.typed("logs --correlation-id %s", s.correlationID)
	for _, l := range found.lines {
		s.out.log(l)
	}
	for _, want := range []string{"request:start", "command:start", "command:success", "request:end", "projection:apply"} {
		if !slices.Contains(found.messages, want) {
			return fmt.Errorf("the log of operation %s has no %s, only %s", s.correlationID, want, strings.Join(found.messages, ", "))
		}
	}
	return s.findPayment(ctx)
}

func (s *story) findPayment(ctx context.Context) error {
	var history struct {
		Events []struct {
			Version       uint64 `json:"version"`
			Type          string `json:"type"`
			CorrelationID string `json:"correlationId"`
		} `json:"events"`
	}
	if err := s.client.Get(ctx, "/orders/"+s.victim+"/events", &history); err != nil {
		return err
	}
	s.typed("events show %s", s.victim)
	found := false
	for _, e := range history.Events {
		s.out.log(fmt.Sprintf("%d  %-11s  correlationId %s", e.Version, e.Type, e.CorrelationID))
		found = found || e.Type == event.OrderPaidType && e.CorrelationID == s.correlationID
	}
	if !found {
		return fmt.Errorf("no %s of operation %s in the event store", event.OrderPaidType, s.correlationID)
	}
	s.out.good("the payment is in the event store: the money is safe, the row is wrong")
	return nil
}
