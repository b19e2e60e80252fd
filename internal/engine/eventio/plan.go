package eventio

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"slices"
	"strings"

	"gakushoku/internal/event"
)

// state is the decision about a line.
type state uint8

const (
	isNew   state = iota // to be appended
	isThere              // the store, or an earlier line, has it
	isBad
)

// entry is one event of the file, as small as possible: there are millions.
type entry struct {
	offset  int64
	version uint64
	id      uint64 // hash of the eventId
	sum     uint64 // of the line as it was checked
	line    uint32
	length  int32
	stream  int32 // index into plan.streams
	state   state
	kind    uint8 // index into plan.kinds
}

func (e *entry) span() span { return span{int(e.line), e.offset, int64(e.length)} }

// plan is what an import will do, made from the first reading of the file.
type plan struct {
	src     *source
	options Options
	seed    maphash.Seed
	strict  event.Decoder

	lines    int
	entries  []entry
	streams  []string
	last     []uint64 // by stream: the version of its latest event in the file
	byName   map[string]int32
	byID     map[uint64]int32 // the first entry with an eventId
	byStream [][]int32        // the entries of a stream by version
	kinds    []string         // types of events
	taken    map[int32]string // entries whose eventId belongs to another event of the store, and which
	bad      []badLine

	unfoldable int
}

type badLine struct {
	span
	sum    uint64
	reason string // of the first maxReported only
}

func newPlan(src *source, o Options) *plan {
	return &plan{src: src, options: o, seed: maphash.MakeSeed(), strict: event.Decoder{Strict: true}, byName: map[string]int32{}, byID: map[uint64]int32{}, taken: map[int32]string{}}
}

// read is the first reading: it checks each line by itself and records its position.
func (p *plan) read(ctx context.Context) error {
	s := newScanner(p.src)
	for s.scan() {
		if s.at.line%1024 == 1 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.tell(StepCheck, s.at.offset, p.src.size)
		}
		if s.at.line > math.MaxInt32 {
			return fmt.Errorf("the file has more than %d lines: split it", math.MaxInt32)
		}
		if len(bytes.TrimSpace(s.text)) == 0 {
			continue
		}
		if err := p.readLine(s); err != nil {
			p.addBad(s.at, p.sum(s.text), err.Error())
		}
	}
	p.lines = s.at.line
	if s.err != nil {
		return fmt.Errorf("reading the input: %w", s.err)
	}
	return nil
}

// readLine records one event; its error says why the line is bad.
func (p *plan) readLine(s *scanner) error {
	if s.at.length > MaxLineBytes {
		return fmt.Errorf("the line has %d bytes, at most %d are allowed", s.at.length, MaxLineBytes)
	}
	var e event.Event
	if err := p.decode(s.text, &e); err != nil {
		return err
	}
	if err := p.checkSize(&e, len(s.text)); err != nil {
		return err
	}
	return p.note(&e, s.at, p.sum(s.text))
}

// decode decodes a line, and refuses what is not allowed from outside.
func (p *plan) decode(line []byte, e *event.Event) error {
	if p.options.Stored {
		return event.Decode(line, e)
	}
	if err := p.strict.Decode(line, e); err != nil {
		return err
	}
	return event.Check(e)
}

// checkSize refuses what the store cannot hold. Only lines near the limit are measured: what an
// import adds to an envelope is less than the slack.
func (p *plan) checkSize(e *event.Event, length int) error {
	const slack = 4096
	limit := p.options.MaxEventBytes
	if limit == 0 || length+slack < limit {
		return nil
	}
	complete := *e
	complete.Version = event.MaxVersion
	if complete.CorrelationID == "" {
		complete.CorrelationID = p.options.CorrelationID
	}
	if n := len(event.AppendJSON(nil, &complete)); n > limit {
		return fmt.Errorf("the event has %d bytes, the event store takes at most %d", n, limit)
	}
	return nil
}

// note adds an event to the plan. An event without a version follows the previous one of its stream.
func (p *plan) note(e *event.Event, at span, sum uint64) error {
	stream, ok := p.byName[e.Stream]
	if !ok {
		stream = int32(len(p.streams))
		name := strings.Clone(e.Stream)
		p.byName[name] = stream
		p.streams, p.last = append(p.streams, name), append(p.last, 0)
	}
	n := entry{offset: at.offset, line: uint32(at.line), length: int32(at.length), stream: stream, version: e.Version, id: p.hash(e.ID), sum: sum, kind: p.kindOf(e.Type)}
	if n.version == 0 {
		n.version = p.last[stream] + 1
	}
	first, known := p.byID[n.id]
	if known {
		if err := p.sameEvent(&p.entries[first], &n, e.ID); err != nil {
			return err
		}
	} else {
		p.byID[n.id] = int32(len(p.entries))
	}
	p.last[stream] = n.version
	p.entries = append(p.entries, n)
	return nil
}

// kindOf returns the index of a type among those of the file. Types that this system does not know
// are allowed only where nothing folds them.
func (p *plan) kindOf(eventType string) uint8 {
	if p.options.Follow == nil {
		return 0
	}
	at := slices.Index(p.kinds, eventType)
	if at < 0 {
		at = len(p.kinds)
		p.kinds = append(p.kinds, strings.Clone(eventType))
	}
	return uint8(at)
}

// sameEvent accepts an event that appears twice in the file, as in logs that were archived twice,
// and refuses an eventId that two different events have.
func (p *plan) sameEvent(first, again *entry, id string) error {
	if first.stream == again.stream && first.version == again.version {
		return nil
	}
	if known, err := p.load(first); err != nil || known.ID != id {
		return err // two ids with the same hash are two events
	}
	return fmt.Errorf("eventId %q is on line %d too, as version %d of %s; here it would be version %d of %s",
		id, first.line, first.version, p.streams[first.stream], again.version, p.streams[again.stream])
}

// noteStored records when an event of the store has the eventId of a different event of the file.
func (p *plan) noteStored(id, stream string, version uint64) error {
	at, known := p.byID[p.hash(id)]
	if !known {
		return nil
	}
	e := &p.entries[at]
	if p.streams[e.stream] == stream && e.version == version {
		return nil
	}
	here, err := p.load(e)
	if err == nil && here.ID == id { // otherwise only the hashes are the same
		p.taken[at] = fmt.Sprintf("version %d of %s", version, stream)
	}
	return err
}

func (p *plan) hash(id string) uint64 { return maphash.String(p.seed, id) }

// sum is a hash of a line as it was checked; the line must have the same when it is read again. For
// a line that is too long it covers the beginning.
func (p *plan) sum(line []byte) uint64 {
	return maphash.Bytes(p.seed, line[:min(len(line), MaxLineBytes)])
}

func (p *plan) addBad(at span, sum uint64, reason string) {
	if len(p.bad) >= maxReported && !p.options.SkipBad {
		reason = ""
	}
	p.bad = append(p.bad, badLine{at, sum, reason})
}

// spoil marks an entry's line as bad.
func (p *plan) spoil(e *entry, format string, args ...any) {
	e.state = isBad
	p.addBad(e.span(), e.sum, fmt.Sprintf(format, args...))
}

// describeBad lists the first bad lines, by line.
func (p *plan) describeBad() []BadLine {
	slices.SortFunc(p.bad, func(a, b badLine) int { return a.line - b.line })
	var all []BadLine
	for _, b := range p.bad[:min(len(p.bad), maxReported)] {
		all = append(all, BadLine{b.line, b.reason})
	}
	return all
}

// writeBad copies the bad lines unchanged.
func (p *plan) writeBad(w io.Writer) error {
	for _, b := range p.bad {
		line, err := p.readAgain(b.span, b.sum)
		if err != nil {
			return err
		}
		rest := p.src.section(b.offset+int64(len(line)), b.length-int64(len(line)))
		if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(line), rest, strings.NewReader("\n"))); err != nil {
			return err
		}
	}
	return nil
}
