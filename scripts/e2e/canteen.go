package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/app/stack"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
)

// canteen is the deployed system and its guests.
type canteen struct {
	options
	deployment *deployment
	stack      *stack.Deployed
	ops        *operator.Installation
	tables     *dynamodb.Client // for damaging data by hand
	logs       *cloudwatchlogs.Client
	client     *client
	guests     *guests
	opened     time.Time
}

func openCanteen(ctx context.Context, o options, endpoint string, d *deployment) (*canteen, error) {
	deployed, err := stack.OpenDeployed(ctx, o.stack)
	if err != nil {
		return nil, err
	}
	deployed.Settings.PointerTTL, deployed.Settings.ProjectorTimeout = pointerTTL, projectorTimeout
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	base := strings.TrimSuffix(endpoint, "/") + "/restapis/" + d.outputs["ApiId"] + "/v1/_user_request_"
	say("the API is at %s", base)
	return &canteen{
		options: o, deployment: d, stack: deployed, ops: stack.Of(deployed), tables: dynamodb.NewFromConfig(cloud), logs: cloudwatchlogs.NewFromConfig(cloud), client: newClient(base), opened: time.Now(),
	}, nil
}

// scenario happens while guests order.
type scenario struct {
	name string
	do   func(context.Context, *canteen) error
}

var scenarios = []scenario{
	{"orders flow to rows and to the log", flow},
	{"checkouts by card end although the payment provider is killed", checkOut},
	{"one operation is one trace, from the POST to the row", followTrace},
	{"a broken read model is rebuilt under traffic", rebuildBroken},
	{"a stored event that is changed is reported", changeEvent},
	{"a run is stopped half-way, and a later one clears up", stopHalfWay},
	{"an operator follows the runbooks", followRunbooks},
	{"a run meets a poison event; the next one is allowed it, and waits for a person", meetPoison},
	{"a switch is rolled back", rollBack},
}

// runAll opens the canteen, runs the scenarios one after another, closes the canteen, and checks the result.
func (c *canteen) runAll(ctx context.Context) error {
	if err := c.client.app.OpenMenu(ctx); err != nil {
		return err
	}
	c.guests = letIn(ctx, c.client, c.options.guests, c.rate)
	defer c.guests.sendHome()
	if err := c.waitSetUp(ctx); err != nil {
		return err
	}
	for _, s := range scenarios {
		if !c.only.MatchString(s.name) {
			continue
		}
		started := time.Now()
		say("-- %s", s.name)
		if err := errors.Join(s.do(ctx, c), c.complaints()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		say("   it went well, in %s", time.Since(started).Round(time.Second))
	}
	c.guests.sendHome()
	say("-- the canteen closes: %d orders served, %s", len(c.guests.all()), c.client.summary())
	if err := c.complaints(); err != nil {
		return err
	}
	return c.unlessLost(ctx, func(ctx context.Context) error {
		return errors.Join(c.wantSound(ctx, 0), c.wantSameInLog(ctx), c.wantLogSound(ctx))
	})
}

// complaints returns the guests' complaints as an error; nil if there are none.
func (c *canteen) complaints() error {
	all := c.client.complained()
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("guests complained %d times:\n  %s", len(all), strings.Join(all[:min(len(all), 20)], "\n  "))
}

// waitSetUp waits until the projector has set up the orders projection, which it does at the first event.
func (c *canteen) waitSetUp(ctx context.Context) error {
	return until(ctx, setUpLimit, "the first order to be projected", func(ctx context.Context) (bool, error) {
		if err := c.complaints(); err != nil {
			return false, err
		}
		_, err := c.stack.Control.Pointer(ctx, readmodel.OrdersName)
		if errors.Is(err, projection.ErrNoPointer) {
			return false, nil
		}
		return err == nil, err
	})
}

// setUpLimit is how long an emulator may take to start the functions and to create the tables.
const setUpLimit = 3 * time.Minute

// wantLogSound verifies the log as an operator does: objects, manifests, and every stream.
func (c *canteen) wantLogSound(ctx context.Context) error {
	events, err := c.ops.LogCheck.VerifyEvents(ctx, true)
	if err != nil {
		return err
	}
	report := events.Log
	for what, f := range map[string]logcheck.Findings{"log": report.Findings, "event table": events.Findings} {
		if !f.Sound {
			return fmt.Errorf("the %s is not sound: %v, such as %+v", what, f.Counts, f.Problems[:min(len(f.Problems), 3)])
		}
	}
	say("   the log is sound: %d events in %d segments, %d bytes, %d twice", report.Read, report.Head.Segments, report.Bytes, report.Repeats)
	return nil
}

// wantSound verifies a version of the orders against the events; 0 is the active one.
func (c *canteen) wantSound(ctx context.Context, version int) error {
	found, err := c.ops.Models.Verify(ctx, readmodel.OrdersName, version, verify.Options{})
	if err != nil {
		return err
	}
	if r := found.Report; !r.Sound() {
		return fmt.Errorf("version %d is not sound: %v, totals %v, such as %+v", version, r.Counts, r.Totals, r.Problems[:min(len(r.Problems), 3)])
	}
	say("   %s holds what the events say: %d rows, %d events", found.Report.Table, found.Report.Rows, found.Report.Events)
	return nil
}

// archiveLimit is how long an event may take to reach the log. The archiver gathers events for some seconds.
const archiveLimit = time.Minute

// wantSameInLog compares the log with the event table, event by event, once all events have arrived.
func (c *canteen) wantSameInLog(ctx context.Context) error {
	var missing, extra []string
	err := until(ctx, archiveLimit, "the log to hold what the event table holds", func(ctx context.Context) (bool, error) {
		archived, err := c.inLog(ctx)
		if err != nil {
			return false, err
		}
		stored, err := c.inTable(ctx)
		if err != nil {
			return false, err
		}
		missing, extra = without(stored, archived), without(archived, stored)
		if len(missing) == 0 && len(extra) == 0 {
			say("   log and event table hold the same %d events", len(stored))
		}
		return len(missing) == 0 && len(extra) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%w; %d events are not in the log: %.300v; %d are only there: %.300v", err, len(missing), missing, len(extra), extra)
	}
	return nil
}

func without(all, others map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(key string) bool { return others[key] })
}

func keyOf(e *event.Event) string { return fmt.Sprintf("%s@%d %s", e.Stream, e.Version, e.ID) }

// inLog returns every event of the log and checks that their numbers are dense.
func (c *canteen) inLog(ctx context.Context) (map[string]bool, error) {
	head, err := c.stack.Ledger.Head(ctx)
	if err != nil {
		return nil, err
	}
	found, next := map[string]bool{}, uint64(1)
	err = c.stack.Log().Events(ctx, 0, head.Number, func(number uint64, e *event.Event) error {
		if number != next {
			return fmt.Errorf("event %d of the log comes after %d", number, next-1)
		}
		next, found[keyOf(e)] = number+1, true
		return nil
	})
	if err == nil && next != head.Number+1 {
		err = fmt.Errorf("the log ends with event %d, its head is %d", next-1, head.Number)
	}
	return found, err
}

// inTable returns every event of the event table.
func (c *canteen) inTable(ctx context.Context) (map[string]bool, error) {
	found := map[string]bool{}
	for streams, err := range eventstore.Pages(func(cursor string) ([]string, string, error) {
		return c.stack.Events.Streams(ctx, eventstore.All, cursor, 500)
	}) {
		if err != nil {
			return nil, err
		}
		histories, err := c.stack.Events.LoadMany(ctx, streams)
		if err != nil {
			return nil, err
		}
		for _, history := range histories {
			for i := range history {
				found[keyOf(&history[i])] = true
			}
		}
	}
	return found, nil
}

// pointer returns the version pointer of the orders.
func (c *canteen) pointer(ctx context.Context) (projection.Pointer, projection.Version, error) {
	p, err := c.stack.Control.Pointer(ctx, readmodel.OrdersName)
	if err != nil {
		return p, projection.Version{}, err
	}
	active, ok := p.ActiveVersion()
	if !ok {
		return p, active, errors.New("the orders have no active version")
	}
	return p, active, nil
}

// wantVersions checks that the pointer has exactly these versions in these states.
func (c *canteen) wantVersions(ctx context.Context, want map[int]projection.State) error {
	p, _, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	got := map[int]projection.State{}
	for _, v := range p.Versions {
		got[v.Number] = v.State
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the versions are %v, want %v", got, want)
	}
	return nil
}

// wantNoTable checks that the table of a version is gone.
func (c *canteen) wantNoTable(ctx context.Context, version int) error {
	_, err := c.stack.Tables.Record(ctx, table(version), "order-x")
	if !errors.Is(err, projection.ErrNoTable) {
		return fmt.Errorf("the table of version %d should be gone: %v", version, err)
	}
	return nil
}

func table(version int) projection.Table {
	return projection.Table{Projection: readmodel.OrdersName, Version: version}
}
