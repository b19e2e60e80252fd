package replay

import (
	"cmp"
	"slices"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// partition holds the rows of some of the streams. It follows the rules of package projection, but keeps rows
// differently.
type partition struct {
	rows   rows
	parked map[string]*Parked
	held   map[string][]heldEvent // events that came too early, by version
	late   []event.Event          // held events that the last call of apply has released

	made                          int // number of rows
	applied, duplicates, setAside int64
}

// heldEvent waits for an earlier version of its stream.
type heldEvent struct {
	event event.Event
	line  int64
}

func newPartition(d model.Projection) (*partition, error) {
	rows, err := newRows(d)
	if err != nil {
		return nil, err
	}
	return &partition{rows: rows, parked: map[string]*Parked{}, held: map[string][]heldEvent{}}, nil
}

// apply applies the event of a line. An event without a version gets the next one of its stream.
func (p *partition) apply(e *event.Event, hash uint32, line int64, now event.Instant) outcome {
	row, step := p.next(e, hash)
	return p.take(row, step, e, line, now)
}

// next returns what take will do with the event.
func (p *partition) next(e *event.Event, hash uint32) (*openRow, projection.Step) {
	row := p.rows.open(e.Stream, hash)
	if e.Version == 0 {
		e.Version = row.Version + 1
	}
	if len(p.parked) > 0 {
		if parked := p.parked[e.Stream]; parked != nil {
			row.Parked = &parked.Parked
		}
	}
	step := row.Next(e.Version)
	if step == projection.Gap && p.holds(e) {
		step = projection.Duplicate
	}
	return row, step
}

// take carries out the step that next returned.
func (p *partition) take(row *openRow, step projection.Step, e *event.Event, line int64, now event.Instant) outcome {
	switch step {
	case projection.Gap:
		p.hold(e, line)
	case projection.Duplicate:
		p.duplicates++
	case projection.SetAside:
		p.setAside++
	case projection.Applied:
		if p.advance(row, e, line, now) != projection.Applied {
			return outcome{step: projection.SetAside, reason: row.Parked.Reason}
		}
		if len(p.held) > 0 {
			p.release(row, now)
		}
	}
	return outcome{step: step}
}

// advance applies the next event to a row, and parks the stream if the event cannot be applied.
func (p *partition) advance(row *openRow, e *event.Event, line int64, now event.Instant) projection.Step {
	step := row.Advance(e, now)
	if step != projection.Applied {
		p.park(row, line)
		return step
	}
	if row.Version == 1 {
		row.first = line
		p.made++
	}
	row.changed = true
	p.applied++
	return step
}

// park parks the stream of an event that could not be applied, with the stream's held events.
func (p *partition) park(row *openRow, line int64) {
	stream := strings.Clone(row.stream)
	p.parked[stream] = &Parked{Stream: stream, Version: row.Version, Line: line, Parked: *row.Parked}
	p.setAside += 1 + int64(len(p.held[stream]))
	delete(p.held, stream)
}

// hold keeps an event that came too early.
func (p *partition) hold(e *event.Event, line int64) {
	at, _ := p.heldAt(e)
	h := heldEvent{e.Clone(), line}
	p.held[h.event.Stream] = slices.Insert(p.held[h.event.Stream], at, h)
}

// holds reports whether an event is already held.
func (p *partition) holds(e *event.Event) bool {
	_, found := p.heldAt(e)
	return found
}

func (p *partition) heldAt(e *event.Event) (int, bool) {
	return slices.BinarySearchFunc(p.held[e.Stream], e.Version, func(h heldEvent, version uint64) int {
		return cmp.Compare(h.event.Version, version)
	})
}

// release applies a row's held events that are now next.
func (p *partition) release(row *openRow, now event.Instant) {
	list := p.held[row.stream]
	for len(list) > 0 {
		next := &list[0]
		p.held[next.event.Stream] = list
		switch row.Next(next.event.Version) {
		case projection.Gap:
			return
		case projection.Duplicate:
			p.duplicates++
		default:
			p.held[next.event.Stream] = list[1:]
			if p.advance(row, &next.event, next.line, now) != projection.Applied {
				return
			}
			p.late = append(p.late, next.event)
		}
		list = list[1:]
	}
	delete(p.held, row.stream)
}

// gaps returns the streams that still wait for a missing event.
func (p *partition) gaps(hash func(stream string) (index, partition uint32)) []Gap {
	var gaps []Gap
	for stream, list := range p.held {
		index, _ := hash(stream)
		gaps = append(gaps, Gap{Stream: stream, Missing: p.rows.open(stream, index).Version + 1, Held: len(list)})
	}
	return gaps
}
