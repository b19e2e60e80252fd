package logcheck

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Status is the state of a log.
type Status struct {
	Head    eventlog.Head `json:"head"`
	Waiting *uint64       `json:"waiting,omitempty"` // events that are not in the log yet; absent if unknown
	AgeMs   int64         `json:"ageMs,omitempty"`   // time since the last segment was committed
	Misfit  string        `json:"misfit,omitempty"`  // why the log and the other stores do not belong together
	Lost    int           `json:"lost,omitempty"`    // segments whose object is missing
}

// Status returns the state of the log.
func (l *Log) Status(ctx context.Context) (Status, error) {
	head, err := l.WholeHead(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("reading where the log stands: %w", err)
	}
	s := Status{Head: head}
	if head.Segments > 0 {
		s.AgeMs = max(0, l.Now().Sub(head.CommittedAt.Time()).Milliseconds())
	}
	if l.Waiting != nil {
		waiting, err := l.Waiting(ctx)
		if err != nil {
			return s, fmt.Errorf("reading what waits to be archived: %w", err)
		}
		s.Waiting = &waiting
	}
	if l.Misfit != nil {
		if s.Misfit, err = l.Misfit(ctx); err != nil {
			return s, fmt.Errorf("comparing the log with what else there is: %w", err)
		}
	}
	if s.Lost, err = l.lost(ctx); err != nil {
		return s, fmt.Errorf("looking for the objects of the log: %w", err)
	}
	return s, nil
}

// lost returns how many segments have no object.
func (l *Log) lost(ctx context.Context) (int, error) {
	head, err := l.Ledger.Head(ctx)
	there := map[string]bool{}
	if err == nil {
		err = l.objects(ctx, eventlog.SegmentFolder, func(b eventlog.Blob) error {
			there[b.Key] = true
			return nil
		})
	}
	lost := 0
	if err == nil {
		err = l.segments(ctx, 0, head.Number, func(m *eventlog.Manifest) error {
			if !there[m.Key] && m.Last <= head.Number {
				lost++
			}
			return nil
		})
	}
	return lost, err
}

// Stats are figures about a log.
type Stats struct {
	Events        uint64        `json:"events"` // repeats included
	Segments      uint64        `json:"segments"`
	Bytes         int64         `json:"bytes"`    // of the objects
	RawBytes      int64         `json:"rawBytes"` // of the lines in them
	Ratio         float64       `json:"ratio"`    // raw bytes divided by bytes
	LargestEvents int           `json:"largestEvents"`
	LargestBytes  int64         `json:"largestBytes"`
	OldestAt      event.Instant `json:"oldestAt,omitzero"` // when the first event happened
	NewestAt      event.Instant `json:"newestAt,omitzero"`
	FirstCommitAt event.Instant `json:"firstCommitAt,omitzero"`
	LastCommitAt  event.Instant `json:"lastCommitAt,omitzero"`
	Lost          int           `json:"lost,omitempty"` // segments whose object is missing
	// Set only if the events were read.
	Streams *int    `json:"streams,omitempty"`
	Repeats *uint64 `json:"repeats,omitempty"`

	DurationMs int64 `json:"durationMs"`
}

// Stats adds up the manifests. If read is set, it also reads the whole log, to count streams and repeated
// events.
func (l *Log) Stats(ctx context.Context, read bool) (Stats, error) {
	started := l.Now()
	var s Stats
	if _, err := l.WholeHead(ctx); err != nil {
		return s, fmt.Errorf("reading where the log stands: %w", err)
	}
	err := l.segments(ctx, 0, toTheEnd, func(m *eventlog.Manifest) error {
		if s.Segments == 0 {
			s.OldestAt, s.NewestAt, s.FirstCommitAt = m.OldestAt, m.NewestAt, m.CreatedAt
		}
		s.Segments++
		s.Events += uint64(m.Count())
		s.Bytes += m.Bytes
		s.RawBytes += m.RawBytes
		s.LargestEvents, s.LargestBytes = max(s.LargestEvents, m.Count()), max(s.LargestBytes, m.Bytes)
		s.OldestAt, s.NewestAt = min(s.OldestAt, m.OldestAt), max(s.NewestAt, m.NewestAt)
		s.LastCommitAt = m.CreatedAt
		return nil
	})
	if err == nil {
		s.Lost, err = l.lost(ctx)
	}
	if err == nil && read && s.Lost == 0 {
		err = l.countRepeats(ctx, &s)
	}
	if s.Bytes > 0 {
		s.Ratio = float64(s.RawBytes) / float64(s.Bytes)
	}
	s.DurationMs = l.Now().Sub(started).Milliseconds()
	return s, err
}

func (l *Log) countRepeats(ctx context.Context, s *Stats) error {
	streams, repeats := 0, uint64(0)
	asIs := func(err error) error { return err }
	for _, part := range l.parts(s.Events) {
		held := newIndex(part)
		err := l.frames(ctx, part, 0, s.Events, asIs, func(f eventlog.Frame, lines []byte) error {
			return eachLine(lines, f.First, func(number uint64, line []byte) error {
				var e event.Event
				if err := event.Decode(line, &e); err != nil {
					return fmt.Errorf("event %d of the log cannot be read: %w", number, err)
				}
				if part.has(e.Stream) && held.add(&e) != added {
					repeats++
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		streams += len(held.streams)
	}
	s.Streams, s.Repeats = &streams, &repeats
	return nil
}
