package replay

import (
	"cmp"
	"slices"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// partition holds the rows of some of the streams. The rules are those of package projection;
// what is different here is how rows are kept.
type partition struct {
	rows   rows
	parked map[string]*Parked
	held   map[string][]heldEvent // what came too early, by version
	late   []event.Event          // held events that the last call of apply has let in

	made                          int // rows
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

// apply applies the event of a line. An event without a version gets the next one of its
// stream.
func (p *partition) apply(e *event.Event, hash uint32, line int64, now event.Instant) outcome {
	row, step := p.next(e, hash)
	return p.take(row, step, e, line, now)
}

// next says what the event means to its row.
func (p *partition) next(e *event.Event, hash uint32) (*openRow, projection.Step) {
	row := p.rows.open(e.Stream, hash)
	if e.Version == 0 {
		e.Version = row.version + 1
	}
	isParked := len(p.parked) > 0 && p.parked[e.Stream] != nil
	step := projection.NextStep(row.version, isParked, e.Version)
	if step == projection.Gap && p.holds(e) {
		step = projection.Duplicate
	}
	return row, step
}

// take does what next has said.
func (p *partition) take(row *openRow, step projection.Step, e *event.Event, line int64, now event.Instant) outcome {
	switch step {
	case projection.Gap:
		p.hold(e, line)
	case projection.Duplicate:
		p.duplicates++
	case projection.SetAside:
		p.setAside++
	case projection.Applied:
		if err := p.advance(row, e, line); err != nil {
			return p.park(row, e, line, err, now)
		}
		if len(p.held) > 0 {
			p.release(row, now)
		}
	}
	return outcome{step: step}
}

// advance makes the next event part of its row.
func (p *partition) advance(row *openRow, e *event.Event, line int64) error {
	if err := projection.ApplyRow(row.row, e); err != nil {
		return err
	}
	if row.version == 0 {
		row.first = line
		p.made++
	}
	row.version, row.changed = e.Version, true
	p.applied++
	return nil
}

// park sets the stream aside. Nothing of the log's memory may be kept.
func (p *partition) park(row *openRow, e *event.Event, line int64, reason error, now event.Instant) outcome {
	stream, text := strings.Clone(e.Stream), strings.Clone(reason.Error())
	p.parked[stream] = &Parked{
		Stream: stream, Version: row.version, Line: line,
		Parked: projection.Parked{EventID: strings.Clone(e.ID), EventVersion: e.Version, Reason: text, Since: now, Attempts: 1},
	}
	p.setAside += 1 + int64(len(p.held[stream]))
	delete(p.held, stream)
	return outcome{step: projection.SetAside, reason: text}
}

// hold keeps an event that came too early.
func (p *partition) hold(e *event.Event, line int64) {
	at, _ := p.heldAt(e)
	h := heldEvent{e.Clone(), line}
	p.held[h.event.Stream] = slices.Insert(p.held[h.event.Stream], at, h)
}

// holds reports whether an event is kept already.
func (p *partition) holds(e *event.Event) bool {
	_, found := p.heldAt(e)
	return found
}

func (p *partition) heldAt(e *event.Event) (int, bool) {
	return slices.BinarySearchFunc(p.held[e.Stream], e.Version, func(h heldEvent, version uint64) int {
		return cmp.Compare(h.event.Version, version)
	})
}

// release applies the held events of a row whose turn has come.
func (p *partition) release(row *openRow, now event.Instant) {
	list := p.held[row.stream]
	for len(list) > 0 {
		next := &list[0]
		switch projection.NextStep(row.version, false, next.event.Version) {
		case projection.Gap:
			p.held[next.event.Stream] = list
			return
		case projection.Duplicate:
			p.duplicates++
		default:
			if err := p.advance(row, &next.event, next.line); err != nil {
				p.held[next.event.Stream] = list[1:]
				p.park(row, &next.event, next.line, err, now)
				return
			}
			p.late = append(p.late, next.event)
		}
		list = list[1:]
	}
	delete(p.held, row.stream)
}

// gaps lists the streams that still wait for an event.
func (p *partition) gaps(hash func(stream string) (index, partition uint32)) []Gap {
	var gaps []Gap
	for stream, list := range p.held {
		index, _ := hash(stream)
		gaps = append(gaps, Gap{Stream: stream, Missing: p.rows.open(stream, index).version + 1, Held: len(list)})
	}
	return gaps
}
