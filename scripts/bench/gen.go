package main

import (
	"bufio"
	"container/heap"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/oklog/ulid/v2"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

// runGen writes a log for the other suites, or for manual experiments with large logs.
func runGen(ctx context.Context, args []string, _ *report) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	events := flags.Int("events", 1_000_000, "how many events")
	seed := flags.Uint64("seed", 1, "the same seed gives the same log")
	out := flags.String("out", "", "the file to write; standard output when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" {
		return writeLog(ctx, os.Stdout, *events, *seed)
	}
	return writeLogFile(ctx, *out, *events, *seed)
}

// writeLogFile first writes the log under another name, so that an existing file is always complete.
func writeLogFile(ctx context.Context, path string, events int, seed uint64) error {
	file, err := os.Create(path + ".part")
	if err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	err = writeLog(ctx, file, events, seed)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// writeLog writes events in order of time: the lives of many orders, interleaved.
func writeLog(ctx context.Context, w io.Writer, events int, seed uint64) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	canteen := newCanteen(seed)
	var line []byte
	for n := range events {
		if n%10_000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := canteen.next()
		if err != nil {
			return err
		}
		line = append(event.AppendJSON(line[:0], &e), '\n')
		if _, err := buffered.Write(line); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// canteen generates the events of a canteen.
type canteen struct {
	random  *rand.Rand
	now     time.Time // when the next order is placed
	planned int       // how many events have been planned so far
	waiting agenda
}

// happening is a planned event.
type happening struct {
	at      time.Time
	number  int // orders events of the same moment
	payload event.Payload
}

func newCanteen(seed uint64) *canteen {
	return &canteen{random: rand.New(rand.NewPCG(seed, 0)), now: time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)}
}

// next returns the next event. Its envelope has exactly the five fields of an imported log.
func (c *canteen) next() (event.Event, error) {
	for len(c.waiting) == 0 || !c.waiting[0].at.Before(c.now) {
		c.order()
		c.now = c.now.Add(time.Duration(c.random.IntN(800)) * time.Millisecond)
	}
	h := heap.Pop(&c.waiting).(happening)
	e, err := event.New(h.payload)
	if err != nil {
		return event.Event{}, err
	}
	e.ID, e.OccurredAt, e.CorrelationID, e.Schema = c.id(h.at), event.InstantOf(h.at), c.correlationID(), 0
	return e, nil
}

// order plans the life of one order: 8 % are cancelled before payment and 5 % after it, 40 % are sold over
// the counter, the others go through the kitchen.
func (c *canteen) order() {
	id, at := c.id(c.now), c.now
	lines := c.lines()
	var total int64
	for _, l := range lines {
		total += l.Quantity * l.UnitPrice
	}
	plan := func(p event.Payload) {
		c.planned++
		heap.Push(&c.waiting, happening{at, c.planned, p})
		at = at.Add(time.Second + time.Duration(c.random.IntN(300_000))*time.Millisecond)
	}
	plan(order.Placed{OrderID: id, Lines: lines, Total: total})
	fate := c.random.IntN(100)
	if fate < 8 {
		plan(order.Cancelled{OrderID: id})
		return
	}
	method := order.MethodCard
	if c.random.IntN(3) == 0 {
		method = order.MethodCash
	}
	plan(order.Paid{OrderID: id, PaidAt: event.InstantOf(at), Method: method})
	switch {
	case fate < 13:
		plan(order.Cancelled{OrderID: id})
		plan(order.Refunded{OrderID: id, Amount: total, Method: method})
	case fate >= 53:
		plan(order.PreparationStarted{OrderID: id})
		plan(order.Ready{OrderID: id})
		plan(order.PickedUp{OrderID: id})
	}
}

// lines returns one to three different dishes.
func (c *canteen) lines() []order.Line {
	menu := [...]order.Line{
		{Product: "karaage-don", UnitPrice: 480}, {Product: "curry-rice", UnitPrice: 420}, {Product: "kitsune-udon", UnitPrice: 350},
		{Product: "miso-soup", UnitPrice: 60}, {Product: "onigiri", UnitPrice: 130}, {Product: "salad", UnitPrice: 180},
	}
	count, first := 1, c.random.IntN(len(menu))
	if roll := c.random.IntN(10); roll >= 5 {
		count = 2 + roll/9
	}
	lines := make([]order.Line, count)
	for i := range lines {
		lines[i] = menu[(first+i)%len(menu)]
		lines[i].Quantity = 1 + int64(c.random.IntN(2))
	}
	return lines
}

func (c *canteen) id(at time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(uint64(at.UnixMilli())) // fails after the year 10889
	for i := 6; i < len(id); i++ {
		id[i] = byte(c.random.Uint32())
	}
	return id.String()
}

func (c *canteen) correlationID() string {
	var b [5]byte
	for i := range b {
		b[i] = byte(c.random.Uint32())
	}
	return hex.EncodeToString(b[:])
}

// agenda is a heap of planned events, the next first.
type agenda []happening

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].number < a[j].number
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) { *a = append(*a, x.(happening)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
