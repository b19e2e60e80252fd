package timeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/event"
)

// ErrUnknown means that no source knows the operation or stream.
var ErrUnknown = errors.New("nothing is known of it")

// Lines searches log lines.
type Lines interface {
	// OfOperation calls f with every line that has the correlation id, oldest first, and possibly
	// with others. The line is valid until f returns.
	OfOperation(ctx context.Context, correlationID string, f func(line []byte) error) error
	// OfStream does the same for the lines of commands that name a stream.
	OfStream(ctx context.Context, stream string, f func(line []byte) error) error
}

// Streams reads the event store.
type Streams interface {
	// LoadMany is like that of eventstore.Loader.
	LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error)
}

// Numberer knows the numbers of a stream's events in the log.
type Numberer interface {
	// Numbers returns the event numbers of a stream's events by version.
	Numbers(ctx context.Context, stream string) (map[uint64]uint64, error)
}

// Finder looks for operations.
type Finder struct {
	Lines   Lines
	Streams Streams
	Numbers Numberer
	Models  ReadModels
	// EachEvent reads every event of the log. This is the slow way to find an operation whose log lines
	// are gone.
	EachEvent func(ctx context.Context, f func(*event.Event) error) error
	Limit     int // of lines, and of events, to include; the newest
}

// Operation finds everything about an operation, or fails with ErrUnknown.
func (f *Finder) Operation(ctx context.Context, correlationID string) (Timeline, error) {
	found := Found{CorrelationID: correlationID}
	lines := newest[[]byte]{limit: f.Limit}
	err := f.Lines.OfOperation(ctx, correlationID, func(raw []byte) error {
		if l := readLine(raw, 0); l.CorrelationID == correlationID || l.raw == nil && bytes.Contains(raw, []byte(correlationID)) {
			lines.add(bytes.Clone(raw))
		}
		return nil
	})
	if err != nil {
		return Timeline{}, fmt.Errorf("reading the log lines of %s: %w", correlationID, err)
	}
	found.Lines = lines.all()
	found.note(lines.note("log lines"))
	if err := f.events(ctx, &found); err != nil {
		return Timeline{}, err
	}
	if len(found.Lines) == 0 && len(found.Events) == 0 {
		return Timeline{}, fmt.Errorf("operation %s: %w", correlationID, ErrUnknown)
	}
	return Merge(found), nil
}

// events finds the events of the operation through the streams that its lines name. If the lines of the
// request are incomplete, since some may be gone, it searches the whole log.
func (f *Finder) events(ctx context.Context, found *Found) error {
	streams, whole := toldBy(found.Lines)
	events := newest[event.Event]{limit: f.Limit}
	take := func(e *event.Event) {
		if e.CorrelationID == found.CorrelationID {
			events.add(e.Clone())
		}
	}
	if whole {
		histories, err := f.Streams.LoadMany(ctx, streams)
		if err != nil {
			return fmt.Errorf("reading the streams of %s: %w", found.CorrelationID, err)
		}
		for _, stream := range streams {
			for i := range histories[stream] {
				take(&histories[stream][i])
			}
		}
	} else {
		if err := f.EachEvent(ctx, func(e *event.Event) error { take(e); return nil }); err != nil {
			return fmt.Errorf("looking for the events of %s in the log: %w", found.CorrelationID, err)
		}
		if events.count > 0 {
			found.note("there is no log line of a whole request: the log files are gone, or were not searched so far back, or the events were imported; the events were looked for in the whole log")
		}
	}
	found.Events = events.all()
	found.note(events.note("events"))
	if err := f.lost(ctx, found); err != nil {
		return err
	}
	return f.whereabouts(ctx, found)
}

// lost records the events that lines name but the event store lacks. The lines were read first.
func (f *Finder) lost(ctx context.Context, found *Found) error {
	named := map[string][]*Entry{}
	var streams []string
	for _, e := range entriesOf(found.Lines) {
		if e.Stream != "" && e.EventID != "" {
			named[e.Stream] = append(named[e.Stream], e)
			streams = with(streams, e.Stream)
		}
	}
	if len(streams) == 0 {
		return nil
	}
	histories, err := f.Streams.LoadMany(ctx, streams)
	if err != nil {
		return fmt.Errorf("reading the streams of %s: %w", found.CorrelationID, err)
	}
	told := map[string]bool{}
	for _, stream := range streams {
		for _, e := range named[stream] {
			if told[e.EventID] || slices.ContainsFunc(histories[stream], func(h event.Event) bool { return h.ID == e.EventID }) {
				continue
			}
			told[e.EventID] = true
			found.note(fmt.Sprintf("%s names event %s, version %d of %s, which the event store does not have: gakushoku events verify --deep", e.What, e.EventID, e.Version, stream))
		}
	}
	return nil
}

// toldBy returns the streams that lines name, and whether all lines of the request are there.
func toldBy(lines [][]byte) (streams []string, whole bool) {
	for _, e := range entriesOf(lines) {
		streams = with(streams, e.Stream)
		whole = whole || e.Kind == KindRequest && e.Result != ""
	}
	return streams, whole
}

// maxNumbered bounds the streams whose events are looked up one by one in the log.
const maxNumbered = 50

// whereabouts adds the events' numbers in the log, and their state in the read models.
func (f *Finder) whereabouts(ctx context.Context, found *Found) (err error) {
	var streams []string
	for i := range found.Events {
		streams = with(streams, found.Events[i].Stream)
	}
	found.Numbers = make(map[string]map[uint64]uint64, len(streams))
	if len(streams) > maxNumbered {
		found.note(fmt.Sprintf("the event numbers of only %d of %d streams were looked up", maxNumbered, len(streams)))
	}
	for _, stream := range streams[:min(len(streams), maxNumbered)] {
		if found.Numbers[stream], err = f.Numbers.Numbers(ctx, stream); err != nil {
			return err
		}
	}
	if found.Rows, err = f.Models.activeRows(ctx, streams); err != nil {
		return fmt.Errorf("reading the rows of %s: %w", found.CorrelationID, err)
	}
	return nil
}

func (f *Found) note(text string) {
	if text != "" {
		f.Notes = append(f.Notes, text)
	}
}

// newest keeps the last of many values.
type newest[T any] struct {
	limit, count int
	ring         []T
}

func (n *newest[T]) add(v T) {
	if len(n.ring) < n.limit {
		n.ring = append(n.ring, v)
	} else {
		n.ring[n.count%n.limit] = v
	}
	n.count++
}

// all returns the kept values, oldest first.
func (n *newest[T]) all() []T {
	if n.count <= n.limit {
		return n.ring
	}
	at := n.count % n.limit
	return append(append([]T{}, n.ring[at:]...), n.ring[:at]...)
}

// note says how many values were omitted; "" if none were.
func (n *newest[T]) note(what string) string {
	if n.count <= n.limit {
		return ""
	}
	return fmt.Sprintf("only the newest %d of %d %s are shown", n.limit, n.count, what)
}
