package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/dynamo"
	"gakushoku/internal/store/sqlite"
)

// longSizes are the numbers of events of the streams.
var longSizes = []int{10, 1_000, 10_000, 100_000}

// newerThanSnapshot is how many events a stream has that its snapshot lacks: half of what there may be.
const newerThanSnapshot = 128

// runLong measures a command that loads a long stream and appends nothing: in a process that has its state, and
// in one that has just started, with snapshots and without.
func runLong(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("long", flag.ContinueOnError)
	samples := flags.Int("samples", 60, "how often each command is measured")
	most := flags.Int("most", longSizes[len(longSizes)-1], "the longest stream")
	if err := flags.Parse(args); err != nil {
		return err
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "store\tevents\tprocess\tp50 ms\tp95 ms\treads\tread units\t")
	l := long{samples: *samples, most: *most, table: table, report: r}
	err := l.embedded(ctx)
	if local, missing := startDynamoLocal(ctx); missing != nil {
		r.leaveOut("long streams on DynamoDB Local", missing)
	} else {
		defer local.stop()
		err = errors.Join(err, l.dynamo(ctx, local))
	}
	return errors.Join(err, table.Flush())
}

type long struct {
	samples, most int
	table         *tabwriter.Writer
	report        *report
}

// longStores are the stores of a process that has just started.
type longStores struct {
	events eventstore.Store
	states streamstate.Store
	close  func() error
}

func (l *long) embedded(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "gakushoku-long-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	open := func() (longStores, error) {
		events, err := sqlite.OpenEvents(ctx, filepath.Join(dir, "events.db"))
		if err != nil {
			return longStores{}, err
		}
		control, err := sqlite.OpenControl(ctx, filepath.Join(dir, "control.db"))
		return longStores{events, control, func() error { return errors.Join(events.Close(), control.Close()) }}, err
	}
	return l.measure(ctx, "embedded", open, func() reads { return reads{} })
}

func (l *long) dynamo(ctx context.Context, local *dynamoLocal) error {
	var read readMeter
	client := local.client(dynamo.ObserveCapacity(read.observe))
	id := observe.NewID()
	if err := errors.Join(dynamo.CreateEventTable(ctx, client, "events-"+id), dynamo.CreateControlTable(ctx, client, "control-"+id)); err != nil {
		return err
	}
	open := func() (longStores, error) {
		return longStores{dynamo.NewEvents(client, "events-"+id), dynamo.NewControl(client, "control-"+id), func() error { return nil }}, nil
	}
	return l.measure(ctx, "DynamoDB Local", open, read.take)
}

// reads are the calls that read, and the units that they consumed.
type reads struct{ calls, units float64 }

type readMeter struct{ sum reads }

func (m *readMeter) observe(_ string, read, _ float64) {
	if read > 0 {
		m.sum.calls++
		m.sum.units += read
	}
}

func (m *readMeter) take() reads {
	taken := m.sum
	m.sum = reads{}
	return taken
}

func (l *long) measure(ctx context.Context, store string, open func() (longStores, error), taken func() reads) error {
	for _, size := range longSizes {
		if size > l.most {
			continue
		}
		s, err := open()
		if err == nil {
			err = errors.Join(fillLong(ctx, s, size), s.close())
		}
		if err != nil {
			return fmt.Errorf("%s, %d events: %w", store, size, err)
		}
		if err := l.size(ctx, store, size, open, taken); err != nil {
			return fmt.Errorf("%s, %d events: %w", store, size, err)
		}
	}
	return nil
}

// kinds of processes.
const (
	coldWithout = "cold, no snapshots"
	cold        = "cold"
	warm        = "warm"
)

// size measures the three kinds of processes on one stream.
func (l *long) size(ctx context.Context, store string, size int, open func() (longStores, error), taken func() reads) error {
	p95 := map[string]float64{}
	for _, process := range []string{coldWithout, cold, warm} {
		times, err := l.times(ctx, process, size, open, taken)
		if err != nil {
			return err
		}
		read, of := taken(), loadOf(times, time.Second)
		p95[process] = of.p95
		fmt.Fprintf(l.table, "%s\t%d\t%s\t%.2f\t%.2f\t%.1f\t%.1f\t\n", store, size, process, of.p50, of.p95, read.calls/float64(l.samples), read.units/float64(l.samples))
	}
	f := figure{what: fmt.Sprintf("%s, %d events, cold: p95", store, size), ours: p95[cold], unit: "ms", baseline: "without snapshots", theirs: p95[coldWithout]}
	if store == "embedded" && size == 10_000 {
		f.aim = below(5)
	}
	l.report.add(f)
	return nil
}

// times returns the times of a command, in milliseconds. What is read before the first of them is not counted:
// that only warms the machine, or the process.
func (l *long) times(ctx context.Context, process string, size int, open func() (longStores, error), taken func() reads) ([]float64, error) {
	var times []float64
	s, err := open()
	if err != nil {
		return nil, err
	}
	cache := cacheOf(process, s)
	if err := askLong(ctx, s, cache, size); err != nil {
		return nil, err
	}
	taken()
	for range l.samples {
		if process != warm {
			if err := s.close(); err != nil {
				return nil, err
			}
			if s, err = open(); err != nil {
				return nil, err
			}
			cache = cacheOf(process, s)
		}
		started := time.Now()
		if err := askLong(ctx, s, cache, size); err != nil {
			return nil, err
		}
		times = append(times, time.Since(started).Seconds()*1000)
	}
	return times, s.close()
}

// cacheOf returns the empty cache of a process.
func cacheOf(process string, s longStores) *command.Cache {
	if process == coldWithout {
		return new(command.Cache)
	}
	return &command.Cache{Snapshots: s.states}
}

func longID(size int) string { return fmt.Sprintf("2026-11-30-dish%d", size) }

// askLong sets as many portions as are set already.
func askLong(ctx context.Context, s longStores, cache *command.Cache, size int) error {
	h := &command.Handler{Streams: s.events, Now: time.Now, NewID: observe.NewID, Cache: cache}
	r, err := command.Execute(ctx, h, stock.Rules, command.Request[stock.Command]{ID: longID(size), Command: stock.SetPortions{StockID: longID(size), Portions: stock.MaxPortions}})
	if err == nil && len(r.Events) > 0 {
		err = errors.New("the command has changed the stream")
	}
	return err
}

// fillLong appends the events of a stream, and has a process that has its state write a snapshot on the way.
func fillLong(ctx context.Context, s longStores, size int) error {
	at := max(1, (size-newerThanSnapshot)/256*256)
	events := []event.Payload{stock.Set{StockID: longID(size), Portions: stock.MaxPortions}}
	for n := range size / 2 {
		order := observe.NewID()
		events = append(events, stock.Reserved{StockID: longID(size), OrderID: order, Quantity: 1})
		if n%10 > 0 { // one of ten is called off
			events = append(events, stock.Sold{StockID: longID(size), OrderID: order, Quantity: 1})
		} else {
			events = append(events, stock.Released{StockID: longID(size), OrderID: order, Reserved: 1})
		}
	}
	if err := appendLong(ctx, s, size, 0, events[:at-1]); err != nil {
		return err
	}
	cache := &command.Cache{Snapshots: s.states}
	h := &command.Handler{Streams: s.events, Now: time.Now, NewID: observe.NewID, Cache: cache}
	first, rest := stock.Command(stock.SetPortions{StockID: longID(size), Portions: stock.MaxPortions}), events[at:size-1]
	if at > 1 { // events[at-1] begins or ends an order; the release of another one comes before it
		first, rest = stock.Release{StockID: longID(size), OrderID: "none"}, events[at-1:size-1]
	}
	if _, err := command.Execute(ctx, h, stock.Rules, command.Request[stock.Command]{ID: longID(size), Command: first}); err != nil {
		return err
	}
	return appendLong(ctx, s, size, at, rest)
}

// appendLong appends events after a version.
func appendLong(ctx context.Context, s longStores, size, version int, payloads []event.Payload) error {
	for len(payloads) > 0 {
		part := payloads[:min(len(payloads), eventstore.MaxAppend)]
		payloads = payloads[len(part):]
		events := make([]event.Event, len(part))
		for i, p := range part {
			e, err := event.New(p)
			if err != nil {
				return err
			}
			e.ID, e.OccurredAt, e.CorrelationID, e.CommandID = observe.NewID(), event.InstantOf(time.Now()), "bench", observe.NewID()
			e.Actor, e.CommandHash = "guest-01K8NM8G7DC6NNKACEFFF1", "6b86b273ff34fce19d6b804eff5a3f57"
			events[i] = e
		}
		if err := s.events.Append(ctx, "stock-"+longID(size), uint64(version), events); err != nil {
			return err
		}
		version += len(part)
	}
	return nil
}
