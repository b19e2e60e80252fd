package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/wait"
)

// ErrFileChanged says that a line is no longer what was checked. What is imported is only what
// was: lines that were read before it.
var ErrFileChanged = errors.New("the file changed while it was imported")

// A chunk is what one transaction appends. It is small, and the next one comes after a pause,
// because the store has one writer: commands of a running server get their turn in between, and
// wait no longer than a chunk takes.
const (
	chunkEvents = 2000
	chunkBytes  = 4 << 20
	chunkPause  = 3 * time.Millisecond
)

// append gives the new events, which are total, to the store, and returns how many it has taken,
// also when it fails on the way.
func (p *plan) append(ctx context.Context, target Target, total int64) (int, error) {
	imported := 0
	var next chunk
	commit := func() error {
		if imported > 0 {
			if err := wait.For(ctx, chunkPause); err != nil {
				return err
			}
		}
		if err := next.appendTo(ctx, target); err != nil {
			return err
		}
		imported += next.events
		p.tell(StepAppend, int64(imported), total)
		next = chunk{}
		return nil
	}
	err := p.inOrder(func(e *entry) error {
		loaded, err := p.load(e)
		if err != nil {
			return err
		}
		next.take(loaded, int(e.length))
		if next.events < chunkEvents && next.bytes < chunkBytes {
			return nil
		}
		return commit()
	})
	if err == nil && next.events > 0 {
		err = commit()
	}
	return imported, err
}

// inOrder visits the new entries in the order of the file; one that comes before an earlier
// version of its stream waits for it.
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

// load reads the event of an entry again, complete, with the version that it was given.
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
	if loaded.CorrelationID == "" {
		loaded.CorrelationID = p.options.CorrelationID
	}
	return loaded, nil
}

// readAgain reads a line, or as much of it as was checked, and refuses what is not the same.
func (p *plan) readAgain(at span, sum uint64) ([]byte, error) {
	line, err := p.src.readLine(at.offset, int(min(at.length, MaxLineBytes)))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading line %d again: %w", at.line, err)
	}
	if err != nil || p.sum(line) != sum {
		return nil, fmt.Errorf("%w, at line %d: import it again when nobody writes to it", ErrFileChanged, at.line)
	}
	return line, nil
}

// chunk collects events, in the order in which they are to be appended.
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
