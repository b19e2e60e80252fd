package reproject

import (
	"cmp"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/reproject/rowpack"
)

// partition holds the rows of some of the streams. The rules are those of package projection;
// what is different here is how rows are kept.
type partition struct {
	packer *rowpack.Packer
	table  rowpack.Table
	row    readmodel.Row // the one that is being changed
	packed []byte
	parked map[string]*Parked
	held   map[string][]heldEvent // what came too early, by version
	late   []event.Event          // held events that the last call of apply has let in

	applied, duplicates, setAside int64
}

// heldEvent waits for an earlier version of its stream.
type heldEvent struct {
	event event.Event
	line  int64
}

func newPartition(d projection.Definition) (*partition, error) {
	row := d.NewRow()
	packer, err := rowpack.NewPacker(row)
	if err != nil {
		return nil, err
	}
	return &partition{packer: packer, row: row, parked: map[string]*Parked{}, held: map[string][]heldEvent{}}, nil
}

// state is what a partition keeps beside a row.
type state struct {
	version uint64 // of the last event in the row
	first   int64  // the line of the event that made the row
}

// readState splits what is stored into the state and the packed row.
func readState(value []byte) (s state, packed []byte) {
	if value == nil {
		return s, nil
	}
	version, n := binary.Uvarint(value)
	first, m := binary.Uvarint(value[n:])
	return state{version, int64(first)}, value[n+m:]
}

// apply applies the event of a line. An event without a version gets the next one of its
// stream.
func (p *partition) apply(e *event.Event, hash uint32, line int64, now event.Instant) outcome {
	entry := p.table.Get(e.Stream, hash)
	s, packed := readState(entry.Value)
	if e.Version == 0 {
		e.Version = s.version + 1
	}
	isParked := len(p.parked) > 0 && p.parked[e.Stream] != nil
	step := projection.NextStep(s.version, isParked, e.Version)
	if step == projection.Gap {
		step = p.hold(e, line)
	}
	switch step {
	case projection.Duplicate:
		p.duplicates++
	case projection.SetAside:
		p.setAside++
	case projection.Applied:
		if entry.Value == nil {
			s.first = line
		}
		if err := p.advance(entry, s, packed, e, hash); err != nil {
			return p.park(s, e, line, err, now)
		}
		if len(p.held) > 0 {
			p.release(e.Stream, hash, now)
		}
	}
	return outcome{step: step}
}

// advance makes the next event part of its row.
func (p *partition) advance(entry rowpack.Entry, s state, packed []byte, e *event.Event, hash uint32) error {
	if entry.Value == nil {
		reflect.ValueOf(p.row).Elem().SetZero()
	} else {
		p.packer.Unpack(packed, entry.Key, p.row)
	}
	if err := projection.ApplyRow(p.row, e); err != nil {
		return err
	}
	p.packed = binary.AppendUvarint(p.packed[:0], e.Version)
	p.packed = binary.AppendUvarint(p.packed, uint64(s.first))
	p.packed = p.packer.Append(p.packed, e.Stream, p.row)
	p.table.Put(entry, e.Stream, hash, p.packed)
	p.applied++
	return nil
}

// park sets the stream aside. Nothing of the log's memory may be kept.
func (p *partition) park(s state, e *event.Event, line int64, reason error, now event.Instant) outcome {
	stream, text := strings.Clone(e.Stream), strings.Clone(reason.Error())
	p.parked[stream] = &Parked{
		Stream: stream, Version: s.version, Line: line,
		Parked: projection.Parked{EventID: strings.Clone(e.ID), EventVersion: e.Version, Reason: text, Since: now, Attempts: 1},
	}
	p.setAside += 1 + int64(len(p.held[stream]))
	delete(p.held, stream)
	return outcome{step: projection.SetAside, reason: text}
}

// hold keeps an event that came too early. One that is kept already is a duplicate.
func (p *partition) hold(e *event.Event, line int64) projection.Step {
	list := p.held[e.Stream]
	at, found := slices.BinarySearchFunc(list, e.Version, func(h heldEvent, version uint64) int {
		return cmp.Compare(h.event.Version, version)
	})
	if found {
		return projection.Duplicate
	}
	h := heldEvent{e.Clone(), line}
	p.held[h.event.Stream] = slices.Insert(list, at, h)
	return projection.Gap
}

// release applies the held events of a stream whose turn has come.
func (p *partition) release(stream string, hash uint32, now event.Instant) {
	list := p.held[stream]
	for len(list) > 0 {
		entry := p.table.Get(stream, hash)
		s, packed := readState(entry.Value)
		next := &list[0]
		switch projection.NextStep(s.version, false, next.event.Version) {
		case projection.Gap:
			p.held[stream] = list
			return
		case projection.Duplicate:
			p.duplicates++
		default:
			if err := p.advance(entry, s, packed, &next.event, hash); err != nil {
				p.held[stream] = list[1:]
				p.park(s, &next.event, next.line, err, now)
				return
			}
			p.late = append(p.late, next.event)
		}
		list = list[1:]
	}
	delete(p.held, stream)
}

// gaps lists the streams that still wait for an event.
func (p *partition) gaps(hash func(stream string) (index, partition uint32)) []Gap {
	var gaps []Gap
	for stream, list := range p.held {
		index, _ := hash(stream)
		s, _ := readState(p.table.Get(stream, index).Value)
		gaps = append(gaps, Gap{Stream: stream, Missing: s.version + 1, Held: len(list)})
	}
	return gaps
}
