package eventio

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
)

// streamsAtOnce bounds how many streams of the store are compared, and held in memory, at a time.
const streamsAtOnce = 256

// group sorts the entries of each stream by version; those of one version stay in the order of the
// file.
func (p *plan) group() {
	p.byID, p.byName = nil, nil
	counts := make([]int32, len(p.streams)+1)
	for i := range p.entries {
		counts[p.entries[i].stream+1]++
	}
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
	all := make([]int32, len(p.entries))
	p.byStream = make([][]int32, len(p.streams))
	for s := range p.byStream {
		p.byStream[s] = all[counts[s]:counts[s]:counts[s+1]]
	}
	for i := range p.entries {
		s := p.entries[i].stream
		p.byStream[s] = append(p.byStream[s], int32(i))
	}
	for _, entries := range p.byStream {
		slices.SortStableFunc(entries, func(a, b int32) int { return cmp.Compare(p.entries[a].version, p.entries[b].version) })
	}
}

// place compares every stream of the file with the store's, and decides which entries are new,
// which exist, and which are bad.
func (p *plan) place(ctx context.Context, target Target) error {
	for from := 0; from < len(p.streams); from += streamsAtOnce {
		p.tell(StepCompare, int64(from), int64(len(p.streams)))
		names := p.streams[from:min(from+streamsAtOnce, len(p.streams))]
		stored, err := target.LoadMany(ctx, names)
		if err != nil {
			return fmt.Errorf("comparing with the event store: %w", err)
		}
		for i, name := range names {
			if err := p.placeStream(name, p.byStream[from+i], stored[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// placing is one stream whose entries are being placed, by version.
type placing struct {
	*plan
	name   string
	stored []event.Event
	next   uint64 // the version that the next new event must have
	first  *entry // the entry that has the latest version
	broken bool   // an event could not be placed, so neither can those after it
	status string // that the events so far lead to
	unfit  error  // the stored events do not follow from one another
}

func (p *plan) placeStream(name string, entries []int32, stored []event.Event) error {
	s := &placing{plan: p, name: name, stored: stored, next: uint64(len(stored)) + 1}
	s.foldStored()
	for _, i := range entries {
		if err := s.placeEntry(&p.entries[i], p.taken[i]); err != nil {
			return err
		}
	}
	return nil
}

// placeEntry places an entry. taken is the other event of the store that has its eventId; "" if there is
// none.
func (s *placing) placeEntry(e *entry, taken string) error {
	if s.first != nil && s.first.version == e.version {
		return s.placeRepeated(e)
	}
	s.first = e
	if e.version < s.next {
		return s.placeStored(e)
	}
	switch {
	case taken != "":
		id, err := s.idOf(e)
		if err != nil {
			return err
		}
		s.spoil(e, "eventId %q is %s in the event store, and version %d of %s here", id, taken, e.version, s.name)
		s.broken = true
	case s.broken:
		s.spoil(e, "version %d of %s follows an event that cannot be imported", e.version, s.name)
	case e.version != s.next:
		s.spoil(e, "version %d of %s is missing before version %d: import a file that has it first, such as an export without --since", s.next, s.name, e.version)
		s.broken = true
	case !s.follows(e):
		s.broken = true
	default:
		e.state = isNew
		s.next++
	}
	return nil
}

// foldStored determines the status to which the stored events lead.
func (s *placing) foldStored() {
	for i := range s.stored {
		if s.options.Follow == nil || s.unfit != nil {
			return
		}
		if tombstone.Is(&s.stored[i]) {
			continue
		}
		s.status, s.unfit = s.options.Follow(s.status, s.stored[i].Type)
	}
}

// follows advances the status by one event. It marks an event that cannot be folded as bad, unless
// such events are accepted.
func (s *placing) follows(e *entry) bool {
	if s.options.Follow == nil || s.kinds[e.kind] == tombstone.Type {
		return true
	}
	err := s.unfit
	if err == nil {
		s.status, err = s.options.Follow(s.status, s.kinds[e.kind])
	}
	if err == nil {
		return true
	}
	s.unfoldable++
	if s.options.Unfoldable {
		return true
	}
	if s.unfit != nil {
		s.spoil(e, "version %d of %s: it cannot be folded, since %v in the event store", e.version, s.name, err)
	} else {
		s.spoil(e, "version %d of %s: it cannot be folded, since %v", e.version, s.name, err)
	}
	return false
}

// placeRepeated judges a second event for the version of s.first.
func (s *placing) placeRepeated(e *entry) error {
	if s.first.id == e.id {
		if s.first.state == isBad {
			s.spoil(e, "the same event as on line %d", s.first.line)
			return nil
		}
		first, err := s.load(s.first)
		if err != nil {
			return err
		}
		return s.placeSame(e, &first, fmt.Sprintf("on line %d", s.first.line))
	}
	here, err := s.idOf(e)
	if err != nil {
		return err
	}
	there, err := s.idOf(s.first)
	if err != nil {
		return err
	}
	s.spoil(e, "version %d of %s is eventId %q here and eventId %q on line %d", e.version, s.name, here, there, s.first.line)
	return nil
}

// placeStored judges an event whose version exists in the store.
func (s *placing) placeStored(e *entry) error {
	stored := &s.stored[e.version-1]
	if s.hash(stored.ID) == e.id {
		return s.placeSame(e, stored, "in the event store")
	}
	id, err := s.idOf(e)
	if err != nil {
		return err
	}
	s.broken = true
	s.spoil(e, "version %d of %s is eventId %q here and eventId %q in the event store; events that continue a stored stream need their \"version\"",
		e.version, s.name, id, stored.ID)
	return nil
}

// placeSame judges an event with the place and id of an existing one: it must be the same.
func (s *placing) placeSame(e *entry, there *event.Event, where string) error {
	here, err := s.load(e)
	if err != nil {
		return err
	}
	if what := differs(&here, there); what != "" {
		s.spoil(e, "eventId %q, version %d of %s, has another %s %s", here.ID, e.version, s.name, what, where)
		return nil
	}
	e.state = isThere
	return nil
}

// differs names what two events with the same id and place differ in; "" if they are equal. It ignores what
// an import adds to an event.
func differs(a, b *event.Event) string {
	switch {
	case a.Type != b.Type:
		return "type"
	case a.OccurredAt != b.OccurredAt:
		return "time"
	case !bytes.Equal(a.Payload, b.Payload) && !bytes.Equal(compact(a.Payload), compact(b.Payload)):
		return "payload"
	}
	return ""
}

// compact removes the space between the tokens of a payload: a line has no room for breaks.
func compact(payload []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, payload) != nil {
		return payload
	}
	return b.Bytes()
}

// idOf reads an entry's eventId again, for a message.
func (p *plan) idOf(e *entry) (string, error) {
	again, err := p.load(e)
	return again.ID, err
}
