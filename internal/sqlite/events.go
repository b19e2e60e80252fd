package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"unicode/utf8"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
)

// MaxEventBytes bounds one event as a line of JSON. It is what a DynamoDB item may hold, so
// that what was taken here can move to AWS.
const MaxEventBytes = 400_000

// eventsSchema keeps each event as its envelope, a line of JSON with an empty payload, and its
// payload byte for byte as it came. position is the event number: dense,
// from 1, in the order of commits, because one transaction at a time takes the next ones.
const eventsSchema = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  envelope TEXT NOT NULL,
  payload  TEXT NOT NULL,
  UNIQUE (stream, version)
) STRICT;`

// Events is the event store and its feed.
type Events struct {
	db     *database
	queue  chan *appending
	stop   chan struct{}
	ended  chan struct{}
	closed sync.Once

	mu    sync.Mutex
	awake chan struct{} // closed and replaced at every commit
}

// OpenEvents opens or creates the event store in the file at path. Close it.
func OpenEvents(ctx context.Context, path string) (*Events, error) {
	// FULL: the commit waits for the disk, so that an acknowledged append survives the loss of
	// power, not only the end of the process. Appends share commits (see writer.go).
	db, err := open(ctx, path, eventsFile, "FULL", eventsSchema)
	if err != nil {
		return nil, err
	}
	s := &Events{db: db, queue: make(chan *appending, maxGroup), stop: make(chan struct{}), ended: make(chan struct{}), awake: make(chan struct{})}
	go s.writer()
	return s, nil
}

// Close ends the writer and closes the file. Appends under way fail or succeed as they say.
func (s *Events) Close() error {
	var err error
	s.closed.Do(func() {
		close(s.stop)
		<-s.ended
		err = s.db.close()
	})
	return err
}

// Load returns the events of a stream above a version.
func (s *Events) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	rows, err := s.db.read.QueryContext(ctx, "SELECT envelope, payload FROM events WHERE stream = ? AND version > ? ORDER BY version", stream, int64(min(after, event.MaxVersion)))
	events, err := collect(ctx, rows, err)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", stream, err)
	}
	return events, nil
}

// LoadMany returns whole streams.
func (s *Events) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	found := make(map[string][]event.Event, len(streams))
	for _, stream := range streams {
		events, err := s.Load(ctx, stream, 0)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 {
			found[stream] = events
		}
	}
	return found, nil
}

// Streams pages over the names of all streams, in the order of their names.
func (s *Events) Streams(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	rows, err := s.db.read.QueryContext(ctx, "SELECT stream FROM events WHERE stream > ? AND version = 1 ORDER BY stream LIMIT ?", cursor, limit)
	names, err := texts(ctx, rows, err)
	if err != nil {
		return nil, "", fmt.Errorf("listing streams: %w", err)
	}
	if len(names) < limit {
		return names, "", nil
	}
	return names, names[len(names)-1], nil
}

// Read is the feed: events in the order of their numbers. The cursor is the last number read.
func (s *Events) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	var after int64
	if cursor != "" {
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || n < 0 {
			return nil, "", fmt.Errorf("%q is not a cursor of this feed", cursor)
		}
		after = n
	}
	rows, err := s.db.read.QueryContext(ctx, "SELECT envelope, payload FROM events WHERE position > ? ORDER BY position LIMIT ?", after, limit)
	events, err := collect(ctx, rows, err)
	if err != nil {
		return nil, "", fmt.Errorf("reading the feed: %w", err)
	}
	if len(events) == 0 {
		return nil, cursor, nil
	}
	// Positions are dense, so the last one follows from the count.
	return events, strconv.FormatInt(after+int64(len(events)), 10), nil
}

// Head is the number of the newest event, 0 when there is none.
func (s *Events) Head(ctx context.Context) (uint64, error) {
	var head sql.NullInt64
	err := s.db.read.QueryRowContext(ctx, "SELECT max(position) FROM events").Scan(&head)
	if err != nil {
		return 0, fmt.Errorf("reading the head: %w", explain(ctx, err))
	}
	return uint64(head.Int64), nil
}

// Appended returns a channel that is closed at the next commit of this process. Take it
// before reading the feed, and wait for it after: then no event is missed.
func (s *Events) Appended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.awake
}

func (s *Events) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.awake)
	s.awake = make(chan struct{})
}

func collect(ctx context.Context, rows *sql.Rows, err error) ([]event.Event, error) {
	if err != nil {
		return nil, explain(ctx, err)
	}
	defer rows.Close()
	var events []event.Event
	for rows.Next() {
		var envelope, payload []byte
		if err := rows.Scan(&envelope, &payload); err != nil {
			return nil, explain(ctx, err)
		}
		var e event.Event
		if err := event.Decode(envelope, &e); err != nil {
			return nil, fmt.Errorf("a stored event cannot be read: %w", err)
		}
		e.Payload = payload
		events = append(events, e)
	}
	return events, explain(ctx, rows.Err())
}

func texts(ctx context.Context, rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, explain(ctx, err)
	}
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, errors.Join(explain(ctx, err), rows.Close())
		}
		all = append(all, text)
	}
	return all, explain(ctx, errors.Join(rows.Err(), rows.Close()))
}

// storedEvent is an event as the columns of its row.
type storedEvent struct{ envelope, payload string }

// checkAppend refuses what no store takes, before anything is queued, and encodes the rest.
func checkAppend(stream string, expected uint64, events []event.Event) ([]storedEvent, error) {
	switch {
	case stream == "":
		return nil, errors.New("append: the stream has no name")
	case len(events) == 0:
		return nil, errors.New("append: there are no events")
	case len(events) > eventstore.MaxAppend:
		return nil, fmt.Errorf("append: %d events at once, the most are %d", len(events), eventstore.MaxAppend)
	case expected > event.MaxVersion-eventstore.MaxAppend:
		return nil, fmt.Errorf("append: version %d is too large", expected)
	}
	stored := make([]storedEvent, len(events))
	for i := range events {
		e := events[i]
		e.Stream, e.Version, e.Payload = stream, expected+uint64(i)+1, []byte("{}")
		s := storedEvent{string(event.AppendJSON(nil, &e)), string(events[i].Payload)}
		if !utf8.ValidString(stream) || !utf8.ValidString(e.ID) || !utf8.ValidString(s.envelope) || !utf8.ValidString(s.payload) {
			return nil, fmt.Errorf("append to %q: every text of an event must be UTF-8", stream)
		}
		if size := len(s.envelope) + len(s.payload); size > MaxEventBytes {
			return nil, fmt.Errorf("append to %s: %w: %d bytes, the most are %d", stream, eventstore.ErrTooLarge, size, MaxEventBytes)
		}
		stored[i] = s
	}
	return stored, nil
}

// Path is the file that holds the events.
func (s *Events) Path() string { return s.db.path }
