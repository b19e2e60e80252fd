package transfer

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
)

// errFileChanged says that the second reading found something else than the first.
var errFileChanged = errors.New("the file changed while it was imported")

// append gives the new events to the store.
func (p *plan) append(ctx context.Context, target Target) error {
	return target.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
		run := run{add: add}
		err := p.inOrder(func(e *entry) error {
			loaded, err := p.load(e)
			if err != nil {
				return err
			}
			return run.take(loaded)
		})
		if err != nil {
			return err
		}
		return run.flush()
	})
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
	line, err := p.src.readLine(e.offset, int(e.length))
	if err == nil {
		err = event.Decode(line, &loaded)
	}
	if err != nil {
		return loaded, fmt.Errorf("%w: line %d: %w", errFileChanged, e.line, err)
	}
	if p.hash(loaded.ID) != e.id || loaded.Stream != p.streams[e.stream] {
		return loaded, fmt.Errorf("%w: line %d is another event", errFileChanged, e.line)
	}
	loaded.Version = e.version
	if loaded.CorrelationID == "" {
		loaded.CorrelationID = p.options.CorrelationID
	}
	return loaded, nil
}

// run collects neighbours of one stream, which the store takes at once.
type run struct {
	add    func(stream string, expected uint64, events []event.Event) error
	events []event.Event
}

func (r *run) take(e event.Event) error {
	if n := len(r.events); n == eventstore.MaxAppend || n > 0 && r.events[0].Stream != e.Stream {
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.events = append(r.events, e)
	return nil
}

func (r *run) flush() error {
	if len(r.events) == 0 {
		return nil
	}
	err := r.add(r.events[0].Stream, r.events[0].Version-1, r.events)
	r.events = r.events[:0]
	return err
}
