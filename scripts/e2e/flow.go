package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/observe"
)

// flow follows orders to their rows and into the log, and one operation through the functions' logs.
func flow(ctx context.Context, c *canteen) error {
	if err := c.guests.waitServed(ctx, 6); err != nil {
		return err
	}
	err := c.unlessLost(ctx, c.wantRowsAndLog)
	if err != nil {
		return err
	}
	return c.wantFollowed(ctx, c.guests.all()[0])
}

// wantRowsAndLog checks that every served order is in its row and in the log.
func (c *canteen) wantRowsAndLog(ctx context.Context) error {
	for _, s := range c.guests.all() {
		err := until(ctx, time.Minute, "the row of order "+s.ID, func(ctx context.Context) (bool, error) {
			shown, ok := c.client.order(ctx, s.ID, 0)
			return ok && shown.Version == s.Version, nil
		})
		if err != nil {
			return err
		}
	}
	if err := c.wantSound(ctx, 0); err != nil {
		return err
	}
	if err := c.wantInLog(ctx, c.guests.all()); err != nil {
		return err
	}
	return c.wantLogSound(ctx)
}

// wantInLog checks that the last event of each order is in the log.
func (c *canteen) wantInLog(ctx context.Context, orders []served) error {
	return until(ctx, archiveLimit, fmt.Sprintf("%d orders to be in the log", len(orders)), func(ctx context.Context) (bool, error) {
		archived, err := c.inLog(ctx)
		if err != nil {
			return false, err
		}
		seen := map[string]bool{}
		for key := range archived {
			place, _, _ := strings.Cut(key, " ")
			seen[place] = true
		}
		for _, s := range orders {
			if !seen[fmt.Sprintf("%s@%d", order.Stream(s.ID), s.Version)] {
				return false, nil
			}
		}
		say("   %d orders are in the log", len(orders))
		return true, nil
	})
}

// logLimit is how long CloudWatch may take until a line is visible.
const logLimit = 3 * time.Minute

// wantFollowed checks that an order's payment can be found by its correlation id: on its event, and in the
// logs of the functions that accepted and projected it.
func (c *canteen) wantFollowed(ctx context.Context, s served) error {
	for function, message := range map[string]string{"command": "command:success", "projector": "projection:apply"} {
		err := until(ctx, logLimit, fmt.Sprintf("%s of %s in the log of %s", message, s.CorrelationID, function), func(ctx context.Context) (bool, error) {
			lines, err := c.linesWith(ctx, function, s.CorrelationID)
			return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, message) }), err
		})
		if err != nil {
			return err
		}
	}
	history, err := c.stack.Events.Load(ctx, order.Stream(s.ID), 0)
	if err != nil {
		return err
	}
	for i := range history {
		if e := &history[i]; e.CorrelationID == s.CorrelationID && e.Type == order.PaidType {
			say("   payment %s was followed through the logs and to its event", s.CorrelationID)
			return nil
		}
	}
	return fmt.Errorf("no payment of %s has the %s %s", s.ID, observe.HeaderCorrelationID, s.CorrelationID)
}
