package eventio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
)

// ErrFileChanged means that a line is no longer what was checked. Only lines that were read before
// it are imported.
var ErrFileChanged = errors.New("the file changed while it was imported")

// A chunk is what one transaction appends. It is small and a pause follows it, because the store
// has one writer: commands of a running server get their turn in between and wait no longer than a
// chunk takes.
const (
	chunkEvents = 2000
	chunkBytes  = 4 << 20
	chunkPause  = 3 * time.Millisecond
)

// chunkTime is how long a chunk may take. On a slow disk or a busy machine chunks have fewer events, down to
// leastEvents, and longer pauses.
const (
	chunkTime   = 200 * time.Millisecond
	leastEvents = 50
)

// pace is how many events the next chunk has, and how long the pause before it is.
type pace struct {
	events int
	pause  time.Duration
}

// after returns the pace after a chunk that took this long.
func (p pace) after(took time.Duration) pace {
	switch {
	case took > chunkTime:
		p.events = max(p.events/2, leastEvents)
	case took < chunkTime/4:
		p.events = min(p.events*2, chunkEvents)
	}
	return pace{p.events, max(chunkPause, took/8)}
}

// append appends the new events, total in all, to the store. It returns how many it has appended
// and how many another process has appended meanwhile, also when it fails on the way.
func (p *plan) append(ctx context.Context, target Target, total int64) (imported, there int, err error) {
	var next chunk
	pace := pace{events: chunkEvents}
	commit := func() error {
		if err := wait.For(ctx, pace.pause); err != nil {
			return err
		}
		began := time.Now()
		found, err := next.appendNew(ctx, target)
		pace = pace.after(time.Since(began))
		there += found
		if err != nil {
			return err
		}
		imported += next.events
		p.tell(StepAppend, int64(imported+there), total)
		next = chunk{}
		return nil
	}
	err = p.inOrder(func(e *entry) error {
		loaded, err := p.load(e)
		if err != nil {
			return err
		}
		next.take(loaded, int(e.length))
		if next.events < pace.events && next.bytes < chunkBytes {
			return nil
		}
		return commit()
	})
	if err == nil && next.events > 0 {
		err = commit()
	}
	return imported, there, err
}

// inOrder visits the new entries in the order of the file; an entry waits for earlier versions of
// its stream.
func (p *plan) inOrder(visit func(*entry) error) error {
	reached := make([]int32, len(p.streams))
	for i := range p.entries {
		if p.entries[i].state != isNew {
			continue
		}
		s := p.entries[i].stream
		for ; int(reached[s]) < len(p.byStream[s]); reached[s]++ {
			at := p.byStream[s][reached[s]]
			e := &p.entries[at]
			if e.state != isNew {
				continue
			}
			if at > int32(i) {
				break
			}
			if err := visit(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads the event of an entry again, complete and with its version.
func (p *plan) load(e *entry) (event.Event, error) {
	var loaded event.Event
	line, err := p.readAgain(e.span(), e.sum)
	if err == nil {
		err = event.Decode(line, &loaded)
	}
	if err != nil {
		return loaded, err
	}
	loaded.Version = e.version
	if p.options.DropActors {
		loaded.Actor, loaded.Command, loaded.Role, loaded.Route, loaded.Origin = "", "", "", "", ""
		if loaded.CommandHash != "" {
			loaded.Route = event.RouteImport
		}
	}
	if loaded.CorrelationID == "" {
		loaded.CorrelationID = p.options.CorrelationID
	}
	return loaded, nil
}

// readAgain reads a line again, or as much of it as was checked, and refuses one that has changed.
func (p *plan) readAgain(at span, sum uint64) ([]byte, error) {
	line, err := p.src.readLine(at.offset, int(min(at.length, MaxLineBytes)))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading line %d again: %w", at.line, err)
	}
	if err != nil || p.sum(line) != sum {
		return nil, fmt.Errorf("%w, at line %d: import it again when no other program writes to it", ErrFileChanged, at.line)
	}
	return line, nil
}

// chunk collects events in the order in which they are appended.
type chunk struct {
	runs   [][]event.Event // neighbours of one stream, which the store takes at once
	events int
	bytes  int
}

func (c *chunk) take(e event.Event, bytes int) {
	c.events++
	c.bytes += bytes
	if last := len(c.runs) - 1; last >= 0 && c.runs[last][0].Stream == e.Stream && len(c.runs[last]) < eventstore.MaxAppend {
		c.runs[last] = append(c.runs[last], e)
		return
	}
	c.runs = append(c.runs, []event.Event{e})
}

// appendNew appends the chunk except for events that another process, such as another import of the same
// file, has appended since the file was compared with the store; it returns their number.
func (c *chunk) appendNew(ctx context.Context, target Target) (there int, err error) {
	for {
		err := c.appendTo(ctx, target)
		if !errors.Is(err, eventstore.ErrConflict) {
			return there, err
		}
		found, err := c.leaveOut(ctx, target)
		there += found
		if err != nil || c.events == 0 {
			return there, err
		}
	}
}

// leaveOut removes from the chunk the events that the store has by now, at least one. An event that differs
// there is ErrStoreChanged.
func (c *chunk) leaveOut(ctx context.Context, target Target) (there int, err error) {
	stored, err := target.LoadMany(ctx, c.streams())
	if err != nil {
		return 0, fmt.Errorf("comparing with the event store: %w", err)
	}
	left := c.runs[:0]
	for _, run := range c.runs {
		n, err := alike(run, stored[run[0].Stream])
		if err != nil {
			return there, err
		}
		there += n
		if n < len(run) {
			left = append(left, run[n:])
		}
	}
	c.runs, c.events = left, c.events-there
	if there == 0 {
		return 0, ErrStoreChanged
	}
	return there, nil
}

// alike returns how many events of a run are already in their stream, where each must be the same.
func alike(run, stored []event.Event) (int, error) {
	for i := range run {
		e := &run[i]
		if e.Version > uint64(len(stored)) {
			return i, nil
		}
		if there := &stored[e.Version-1]; there.ID != e.ID || differs(e, there) != "" {
			return i, fmt.Errorf("%w: something else has written version %d of %s; import the file again to go on with what still fits", ErrStoreChanged, e.Version, e.Stream)
		}
	}
	return len(run), nil
}

func (c *chunk) streams() []string {
	names := make([]string, len(c.runs))
	for i, run := range c.runs {
		names[i] = run[0].Stream
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// appendTo appends the chunk in one transaction.
func (c *chunk) appendTo(ctx context.Context, target Target) error {
	return target.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
		for _, run := range c.runs {
			if err := add(run[0].Stream, run[0].Version-1, run); err != nil {
				return err
			}
		}
		return nil
	})
}
