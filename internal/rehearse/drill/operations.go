package drill

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/loadgen"
)

// theOrder is the order that a guest asks about.
const theOrder = "lunch-lost"

// beat is the period of alarms in drills.
const beat = time.Second

// The sections that pages have in common.
const (
	look   = "Look"
	repair = "Repair"
	over   = "It is over when"
)

// again repeats the guest's payment with the same Idempotency-Key.
func again(ctx context.Context, c *canteen) error {
	_, _, err := c.client.Pay(ctx, c.order)
	return err
}

// lostOperation is drill 1 of the course: from the x-correlation-id that a guest shows to all
// lines of the operation, and to where it failed.
func lostOperation() Drill {
	return Drill{
		Name: "lost-operation", Title: "I wanted to pay, and there was an error", Page: "lost-operation.md",
		broken: "the disk of the event store does not take appends; a guest who pays sees an error and an x-correlation-id",
		breaks: func(ctx context.Context, c *canteen) error {
			if _, err := c.client.Place(ctx, theOrder, loadgen.Orders[1]); err != nil {
				return err
			}
			c.faults.appending.begin(func(context.Context) error {
				return fault.Unavailable(&diskError{"write", filepath.Join(c.data, "events.db")})
			})
			_, operation, err := c.client.Pay(ctx, theOrder)
			if err == nil || operation == "" {
				return fmt.Errorf("the payment went well, or its answer had no correlation id (%q)", operation)
			}
			c.order, c.operation = theOrder, operation
			return nil
		},
		signs: []sign{alarmed("commands-failing", beat)},
		steps: []step{
			{section: look, shows: []string{"POST /orders/" + theOrder + "/pay  503", "infra", "append to order-" + theOrder + ": write", "OrderPlaced"}},
			{hand: "the disk works again", do: func(_ context.Context, c *canteen) error { c.faults.appending.end(); return nil }},
			{hand: "the guest pays again: the app sends the same Idempotency-Key", do: again},
			{section: over, shows: []string{"OrderPaid", `"status":"PAID"`}},
		},
	}
}

// diskError is the error of a failing disk.
type diskError struct{ op, path string }

func (e *diskError) Error() string { return e.op + " " + e.path + ": " + syscall.EIO.Error() }
func (e *diskError) Unwrap() error { return syscall.EIO }

// commandLine is a line about commands as "gakushoku top" prints it, with their 50th percentile.
var commandLine = regexp.MustCompile(`(?m)^[A-Z][A-Za-z]+ +OK +\S+ +([\d.]+ m?s)`)

// showsSlowCommand checks that the output names a slow command.
func showsSlowCommand(output string) error {
	for _, found := range commandLine.FindAllStringSubmatch(output, -1) {
		if took, err := time.ParseDuration(strings.ReplaceAll(found[1], " ", "")); err == nil && took >= observe.Slow {
			return nil
		}
	}
	return errors.New("no command is slow")
}

// slowStore is an event store whose appends take long.
func slowStore() Drill {
	const took = 400 * time.Millisecond
	return Drill{
		Name: "slow-store", Title: "Everything takes so long at the till", Page: "store-throttled.md",
		broken: fmt.Sprintf("something else keeps the disk of the event store busy: each append takes %s", took),
		breaks: func(_ context.Context, c *canteen) error {
			c.faults.appending.begin(func(ctx context.Context) error { return wait.For(ctx, took) })
			return nil
		},
		signs: []sign{alarmed("requests-slow", beat)},
		steps: []step{
			{section: look, check: showsSlowCommand},
			{hand: "what kept the disk busy is stopped", do: func(_ context.Context, c *canteen) error { c.faults.appending.end(); return nil }},
			{section: over, shows: []string{"is ready after"}},
		},
	}
}
