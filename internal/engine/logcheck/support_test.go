package logcheck_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

var start = time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)

// canteen is an event store and its log.
type canteen struct {
	t        *testing.T
	store    *memory.Events
	ledger   *memory.Ledger
	blobs    *memory.Blobs
	archiver *eventlog.Archiver
	log      *logcheck.Log
	now      time.Time
	archived int // events of the store's feed that are in the log
	ids      int
	waited   time.Duration
}

func newCanteen(t *testing.T) *canteen {
	c := &canteen{t: t, store: memory.NewEvents(), ledger: memory.NewLedger(), blobs: memory.NewBlobs(), now: start}
	c.blobs.Now = c.clock
	c.archiver = &eventlog.Archiver{Ledger: c.ledger, Blobs: c.blobs, Now: c.clock, NewID: c.newID}
	c.log = &logcheck.Log{
		Ledger: c.ledger, Blobs: c.blobs, Store: c.store, Now: c.clock, NewID: c.newID, Patience: 3 * time.Second, Held: 7,
		Pause: func(ctx context.Context, d time.Duration) error { c.waited += d; return ctx.Err() },
	}
	return c
}

func (c *canteen) clock() time.Time { return c.now }

func (c *canteen) newID() string {
	c.ids++
	return fmt.Sprintf("%026d", c.ids)
}

func orderOf(n int) string { return fmt.Sprintf("o%d", n) }

// place appends an order and its payment.
func (c *canteen) place(n int) {
	c.t.Helper()
	at := event.InstantOf(c.now)
	for version, p := range []event.Payload{order.Placed{OrderID: orderOf(n), Total: 780}, order.Paid{OrderID: orderOf(n), PaidAt: at, Method: order.MethodCard}} {
		e, err := event.New(p)
		if err != nil {
			c.t.Fatal(err)
		}
		e.ID, e.OccurredAt = "event-"+c.newID(), at+event.Instant(n)
		c.append(order.Stream(orderOf(n)), version, e)
	}
}

func (c *canteen) append(stream string, expected int, e event.Event) {
	c.t.Helper()
	if err := c.store.Append(c.t.Context(), stream, uint64(expected), []event.Event{e}); err != nil {
		c.t.Fatal(err)
	}
}

// archive puts the next events of the feed into the log, as one segment, or only passes over
// them.
func (c *canteen) archive(count int, lost ...int) {
	c.t.Helper()
	events, _, err := c.store.Read(c.t.Context(), strconv.Itoa(c.archived), count)
	if err != nil {
		c.t.Fatal(err)
	}
	var batch []eventlog.Record
	for i := range events {
		if !slices.Contains(lost, i) {
			batch = append(batch, eventlog.Record{Source: strconv.Itoa(c.archived + i), Event: events[i]})
		}
	}
	c.archived += len(events)
	c.commit(batch)
}

func (c *canteen) commit(batch []eventlog.Record) {
	c.t.Helper()
	if _, err := c.archiver.Commit(c.t.Context(), batch); err != nil {
		c.t.Fatal(err)
	}
}

// filled is a store with twenty orders, and a log of four segments of ten events. An hour later.
func filled(t *testing.T) *canteen {
	c := newCanteen(t)
	for n := range 20 {
		c.place(n)
	}
	for range 4 {
		c.archive(10)
	}
	c.now = c.now.Add(2 * time.Hour)
	return c
}

func (c *canteen) verify(o logcheck.Options) *logcheck.Report {
	c.t.Helper()
	r, err := c.log.Verify(c.t.Context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// wantKinds wants these problems, that many of each.
func wantKinds(t *testing.T, what string, f logcheck.Findings, want map[logcheck.Kind]int) {
	t.Helper()
	if diff := cmp.Diff(want, f.Counts); len(want)+len(f.Counts) > 0 && diff != "" {
		t.Errorf("%s (-want +got):\n%s\n%+v", what, diff, f.Problems)
	}
	total, fixed := 0, 0
	for kind := range f.Counts {
		total, fixed = total+f.Counts[kind], fixed+f.Fixed[kind]
	}
	if f.Sound != (fixed == total) || f.Total() != total || f.Mended() != fixed || len(f.Problems) != min(total, 200) {
		t.Errorf("%s: sound is %v with %d problems of which %d are fixed and %d told", what, f.Sound, total, fixed, len(f.Problems))
	}
}

// segment is the manifest of one segment, from 0.
func (c *canteen) segment(n int) eventlog.Manifest {
	c.t.Helper()
	manifests, err := c.ledger.Manifests(c.t.Context(), 0, 100)
	if err != nil {
		c.t.Fatal(err)
	}
	return manifests[n]
}

func (c *canteen) get(key string) []byte {
	c.t.Helper()
	data, err := c.blobs.Get(c.t.Context(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c *canteen) put(key string, data []byte) {
	c.t.Helper()
	if err := c.blobs.Put(c.t.Context(), key, data); err != nil {
		c.t.Fatal(err)
	}
}

func (c *canteen) remove(key string) {
	c.t.Helper()
	if err := c.blobs.Delete(c.t.Context(), key); err != nil {
		c.t.Fatal(err)
	}
}

// useLedger puts another ledger in place of the one that there is.
// damageLedger changes the second manifest in the ledger, and leaves the one beside its segment.
func (c *canteen) damageLedger(change func(*eventlog.Manifest)) {
	c.t.Helper()
	manifests, err := c.ledger.Manifests(c.t.Context(), 0, 100)
	if err != nil {
		c.t.Fatal(err)
	}
	change(&manifests[1])
	c.log.Ledger = &fixedLedger{c.ledger, manifests}
}

func (c *canteen) useLedger(l *memory.Ledger) { c.ledger, c.archiver.Ledger, c.log.Ledger = l, l, l }
