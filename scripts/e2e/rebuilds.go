package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// runLimit is how long a rebuild of so few orders may take.
const runLimit = 10 * time.Minute

func request() rebuild.Request { return rebuild.Request{Projection: readmodel.OrdersName} }

// soaking returns a request that drops the old version right after the switch.
func soaking() rebuild.Request {
	r, now := request(), rebuild.Seconds(0)
	r.Soak = &now
	return r
}

// start starts a run.
func (c *canteen) start(ctx context.Context, name string, r rebuild.Request) (runID string, err error) {
	runID = name + "-" + observe.NewID()
	say("   run %s starts", runID)
	return runID, c.stack.Machine.Start(ctx, runID, r)
}

// end follows a run until it has ended.
func (c *canteen) end(ctx context.Context, runID string) (stepfunctions.Execution, error) {
	var x stepfunctions.Execution
	state := rebuild.Step("")
	err := until(ctx, runLimit, "run "+runID+" to end", func(ctx context.Context) (ended bool, err error) {
		if x, err = c.stack.Machine.Execution(ctx, runID); err != nil {
			return false, err
		}
		now, err := c.stack.Machine.State(ctx, runID)
		if err == nil && now != state {
			state = now
			say("   run %s is in %s", runID, state)
		}
		return !x.Running(), err
	})
	return x, err
}

// succeed runs a request that must succeed.
func (c *canteen) succeed(ctx context.Context, name string, r rebuild.Request) (rebuild.Run, error) {
	runID, err := c.start(ctx, name, r)
	if err != nil {
		return rebuild.Run{}, err
	}
	if r.Approve {
		if err := c.approve(ctx, runID); err != nil {
			return rebuild.Run{}, err
		}
	}
	x, err := c.end(ctx, runID)
	if err == nil && x.Status != types.ExecutionStatusSucceeded {
		err = fmt.Errorf("run %s is %s: %s: %s", runID, x.Status, x.Error, x.Cause)
	}
	if err == nil && (x.Run.Verify == nil || !x.Run.Verify.Sound) {
		err = fmt.Errorf("run %s has ended well without a sound verification: %+v", runID, x.Run)
	}
	if err != nil {
		return rebuild.Run{}, err
	}
	say("   run %s made version %d: %d rows of %d events, %d healed, old against new %+v", runID, x.Run.ToVersion, x.Run.Verify.Rows, x.Run.Verify.Events, x.Run.Verify.Healed, x.Run.Verify.Old)
	return x.Run, nil
}

// approve waits until a run asks for approval of its switch, and approves it as an operator would.
func (c *canteen) approve(ctx context.Context, runID string) error {
	var asked rebuild.Approval
	err := until(ctx, runLimit, "run "+runID+" to want an approval", func(ctx context.Context) (asking bool, err error) {
		asked, err = c.ops.Engine.PendingApproval(ctx, readmodel.OrdersName, runID)
		if errors.Is(err, rebuild.ErrRefused) {
			return false, nil // not yet
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	say("   run %s is approved, after a look at %s", runID, asked.Report)
	return c.stack.Machine.Answer(ctx, asked.Token, rebuild.Decision{Approved: true, By: "e2e"})
}

// wantFailure checks that a run ends with an error whose cause contains a text.
func (c *canteen) wantFailure(ctx context.Context, runID, name, text string) error {
	x, err := c.end(ctx, runID)
	if err != nil {
		return err
	}
	if x.Status != types.ExecutionStatusFailed || x.Error != name || !strings.Contains(x.Cause, text) {
		return fmt.Errorf("run %s is %s: %s: %s; want it to fail with %s: %s", runID, x.Status, x.Error, x.Cause, name, text)
	}
	say("   run %s has failed as it should: %s", runID, x.Cause)
	return nil
}

// rebuildBroken damages the orders projection by hand and rebuilds it while guests order.
func rebuildBroken(ctx context.Context, c *canteen) error {
	orders, err := c.guests.spoilWhenThere(ctx, 5)
	if err != nil {
		return err
	}
	_, active, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	if err := c.breakRows(ctx, active.Number, orders); err != nil {
		return err
	}
	run, err := c.succeed(ctx, "rebuild", soaking())
	if err != nil {
		return err
	}
	if old := run.Verify.Old; old.Changed < 3 || old.OnlyNew < 2 {
		return fmt.Errorf("of the rows that were broken the run says %+v, want at least 3 changed and 2 only new", old)
	}
	if !slices.Contains(run.Dropped, active.Number) {
		return fmt.Errorf("run %s has dropped the versions %v, not %d", run.ID, run.Dropped, active.Number)
	}
	return errors.Join(
		c.wantMended(ctx, orders), c.wantVersions(ctx, map[int]projection.State{run.ToVersion: projection.Active}), c.wantNoTable(ctx, active.Number), c.wantSound(ctx, 0))
}

// stopHalfWay stops a run between Join and CatchUp, while live delivery writes both versions.
func stopHalfWay(ctx context.Context, c *canteen) error {
	p, active, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	stopped, err := c.start(ctx, "stopped", soaking())
	if err != nil {
		return err
	}
	err = until(ctx, runLimit, "run "+stopped+" to have joined", func(ctx context.Context) (bool, error) {
		state, err := c.stack.Machine.State(ctx, stopped)
		return state == rebuild.StepJoinWait, err
	})
	if err != nil {
		return err
	}
	second, err := c.start(ctx, "second", request())
	if err == nil {
		err = c.wantFailure(ctx, second, "Refused", stopped+" of orders is going on")
	}
	if err == nil {
		err = c.stack.Machine.Stop(ctx, stopped, "stopped by a test")
	}
	if err == nil {
		_, err = c.end(ctx, stopped)
	}
	if err != nil {
		return err
	}
	leftover := map[int]projection.State{active.Number: projection.Active, p.Next: projection.Building}
	if err := errors.Join(c.wantVersions(ctx, leftover), c.guests.waitServed(ctx, 3), c.wantSound(ctx, active.Number)); err != nil {
		return fmt.Errorf("after the run was stopped: %w", err)
	}
	run, err := c.succeed(ctx, "later", soaking())
	if err != nil {
		return err
	}
	return errors.Join(
		c.wantVersions(ctx, map[int]projection.State{run.ToVersion: projection.Active}), c.wantNoTable(ctx, p.Next), c.wantNoTable(ctx, active.Number), c.wantSound(ctx, 0))
}

// meetPoison appends an event that no fold can apply: an order that was picked up is placed again. The live
// projector parks its stream; a rebuild stops there, unless parked streams are allowed.
func meetPoison(ctx context.Context, c *canteen) error {
	_, active, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	orders, err := c.guests.spoilWhenThere(ctx, 1)
	if err != nil {
		return err
	}
	stream := order.Stream(orders[0].ID)
	poison := event.Event{
		ID: observe.NewID(), Type: order.PlacedType, OccurredAt: event.InstantOf(time.Now()), CorrelationID: "poison", Schema: 1,
		Payload: fmt.Appendf(nil, `{"orderId":%q,"total":780}`, orders[0].ID),
	}
	if err := c.stack.Events.Append(ctx, stream, orders[0].Version, []event.Event{poison}); err != nil {
		return err
	}
	say("   a poison event was appended to %s", stream)
	err = until(ctx, time.Minute, stream+" to be parked", func(ctx context.Context) (bool, error) {
		row, err := c.stack.Tables.Record(ctx, table(active.Number), stream)
		return row.Parked != nil, err
	})
	if err == nil {
		err = c.wantInLog(ctx, []served{{ID: orders[0].ID, Version: orders[0].Version + 1}})
	}
	if err != nil {
		return err
	}
	p, _, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	runID, err := c.start(ctx, "poisoned", request())
	if err != nil {
		return err
	}
	err = errors.Join(c.wantFailure(ctx, runID, "Failed", stream), c.wantVersions(ctx, map[int]projection.State{active.Number: projection.Active}), c.wantNoTable(ctx, p.Next))
	if err != nil {
		return err
	}
	allowing := request()
	allowing.AllowParked, allowing.Approve = 1, true
	run, err := c.succeed(ctx, "allowed", allowing)
	if err != nil {
		return err
	}
	return c.wantVersions(ctx, map[int]projection.State{active.Number: projection.Previous, run.ToVersion: projection.Active})
}

// rollBack switches readers back to the version before the last switch, and then drops the newer one.
func rollBack(ctx context.Context, c *canteen) error {
	before, active, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(before.Versions, func(v projection.Version) bool { return v.State == projection.Previous }) {
		if _, err := c.succeed(ctx, "switched", request()); err != nil {
			return err
		}
		if before, active, err = c.pointer(ctx); err != nil {
			return err
		}
	}
	if err := c.guests.waitServed(ctx, 3); err != nil {
		return err
	}
	to, err := c.ops.Engine.Rollback(ctx, readmodel.OrdersName)
	if err != nil {
		return err
	}
	say("   readers see version %d again instead of %d", to, active.Number)
	err = errors.Join(
		c.wantVersions(ctx, map[int]projection.State{to: projection.Active, active.Number: projection.Previous}),
		c.guests.waitServed(ctx, 3), c.wantSound(ctx, to), c.wantSound(ctx, active.Number))
	if err != nil {
		return err
	}
	dropped, err := c.ops.Engine.CleanupAll(ctx, readmodel.OrdersName)
	if err == nil && !slices.Contains(dropped, active.Number) {
		err = fmt.Errorf("the versions %v were dropped, not %d", dropped, active.Number)
	}
	return errors.Join(err, c.wantVersions(ctx, map[int]projection.State{to: projection.Active}), c.wantNoTable(ctx, active.Number), c.guests.waitServed(ctx, 2))
}
