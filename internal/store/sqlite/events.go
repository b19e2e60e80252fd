package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// eventsSchema stores each event as its envelope, a line of JSON with an empty payload, and its payload byte
// for byte. position is dense, from 1, in the order of commits, because only one transaction at a time
// assigns positions, except for the holes that Prune leaves; it belongs to the feed, and is not the event number, which the log assigns. appended is
// the time of the append, in milliseconds since 1970: an imported event may have occurred long before.
const eventsSchema = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  envelope TEXT NOT NULL,
  payload  TEXT NOT NULL,
  appended INTEGER NOT NULL,
  UNIQUE (stream, version)
) STRICT;`

// eventsFormat is the format of a file that eventsSchema creates.
const eventsFormat = 2

// eventsUpgrade brings a file of format 1 to format 2. It is unknown when the file's events were appended, so
// they get the time of the upgrade.
const eventsUpgrade = `ALTER TABLE events ADD COLUMN appended INTEGER NOT NULL DEFAULT %d;`

// Events is the event store and its feed.
type Events struct {
	db     *database
	queue  chan *appending
	stop   chan struct{} // closed by Close
	ended  chan struct{} // closed when the writer has ended
	closed sync.Once
	guard  func() error // see Guard

	belongs bool // to a data folder
	cutOff  bool // see CutOff

	mu    sync.Mutex
	awake chan struct{} // closed and replaced at every commit

	load, loadMany, streams, upTo, beyond *sql.Stmt // on readers
	from, head, appended, position        *sql.Stmt // on readers too
	lastVersion, lastPosition, insert     *sql.Stmt // on the writing connection
	mark                                  *sql.Stmt // on it too, from the first append on
}

var (
	_ eventstore.Store  = (*Events)(nil)
	_ eventstore.Feed   = (*Events)(nil)
	_ eventstore.Ranger = (*Events)(nil)
)

// OpenExistingEvents opens the event store in the file at path, without creating one. If there is no file, or
// an empty one, the error is fs.ErrNotExist. Close the store after use.
func OpenExistingEvents(ctx context.Context, path string) (*Events, error) {
	alone, err := cutOff(ctx, path) // before opening, which creates a new write-ahead log
	if err != nil {
		return nil, err
	}
	format, err := identify(ctx, path, eventsFile, eventsFormat)
	if err == nil && format == 0 {
		return nil, fmt.Errorf("opening %s: %w", path, fs.ErrNotExist)
	}
	return openEvents(ctx, path, alone) // its error says what is wrong with the file
}

// OpenEvents opens or creates the event store in the file at path. Close the store after use.
func OpenEvents(ctx context.Context, path string) (*Events, error) {
	alone, err := cutOff(ctx, path)
	if err != nil {
		return nil, err
	}
	return openEvents(ctx, path, alone)
}

func openEvents(ctx context.Context, path string, alone bool) (*Events, error) {
	db, err := open(ctx, path, eventsFile, eventsSchema, fmt.Sprintf(eventsUpgrade, time.Now().UnixMilli()))
	if err != nil {
		return nil, err
	}
	s := &Events{
		db: db, awake: make(chan struct{}), cutOff: alone,
		queue: make(chan *appending, maxGroup), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(db.failed(ctx, "opening the event store", err), db.close())
	}
	db.leaving = s.leave
	go s.writer()
	return s, nil
}

// leave is the last operation on the file.
func (s *Events) leave() error {
	if s.cutOff {
		return s.db.keepLog(false)
	}
	return s.db.leaveWhole()
}

func (s *Events) prepare(ctx context.Context) error {
	return s.db.prepare(ctx, statements{
		&s.load:     eventColumn + "WHERE stream = ? AND version > ? ORDER BY version",
		&s.loadMany: eventColumn + "WHERE stream IN (SELECT value FROM json_each(?)) ORDER BY stream, version",
		// Not only streams with a version 1: a search for lost events must see them all.
		&s.streams:  "SELECT DISTINCT stream FROM events WHERE stream > ? ORDER BY stream LIMIT ?",
		&s.upTo:     eventColumn + "WHERE stream > ? AND stream <= ? ORDER BY stream, version LIMIT ?",
		&s.beyond:   eventColumn + "WHERE stream > ? ORDER BY stream, version LIMIT ?",
		&s.from:     numberedColumns + "WHERE position >= ? ORDER BY position LIMIT ?",
		&s.head:     "SELECT coalesce(max(position), 0) FROM events",
		&s.position: "SELECT position FROM events WHERE stream = ? AND version = ?",
		&s.appended: "SELECT appended FROM events WHERE position >= ? ORDER BY position LIMIT 1",
	}, statements{
		&s.lastVersion:  "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?",
		&s.lastPosition: "SELECT coalesce(max(position), 0) FROM events",
		&s.insert:       "INSERT INTO events (position, stream, version, envelope, payload, appended) VALUES (?, ?, ?, ?, ?, ?)",
	})
}

// Path returns the path of the file that holds the events.
func (s *Events) Path() string { return s.db.path }

// InPlace fails with ErrReplaced if Path leads to another file than the open one, or to none.
func (s *Events) InPlace() error { return s.db.inPlace() }

// File returns the open file, wherever its path now leads.
func (s *Events) File() fs.FileInfo { return s.db.place.file }

// Guard refuses appends while allow fails. Call it before the store is used.
func (s *Events) Guard(allow func() error) { s.guard = allow }

// Close ends the writer after the commit under way, and closes the file. Waiting appends are refused. It may
// be called again.
func (s *Events) Close() error {
	var err error
	s.closed.Do(func() {
		close(s.stop)
		<-s.ended
		err = s.db.close()
	})
	return err
}

// Load implements eventstore.Loader.
func (s *Events) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	rows, err := s.load.QueryContext(ctx, stream, int64(min(after, event.MaxVersion)))
	events, err := readEvents(rows, err, 0)
	return events, s.db.failed(ctx, "loading "+stream, err)
}

// eventsOfStream is the usual number of events per stream.
const eventsOfStream = 5

// LoadMany implements eventstore.Loader. It reads all streams as of one moment.
func (s *Events) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	names, err := json.Marshal(streams)
	if err != nil {
		return nil, fmt.Errorf("loading %d streams: %w", len(streams), err)
	}
	rows, err := s.loadMany.QueryContext(ctx, string(names))
	events, err := readEvents(rows, err, eventsOfStream*len(streams))
	if err != nil {
		return nil, s.db.failed(ctx, fmt.Sprintf("loading %d streams", len(streams)), err)
	}
	return eventstore.ByStream(events), nil
}

// Streams implements eventstore.Lister, sorted by name. The cursor is the last name.
func (s *Events) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", fmt.Errorf("listing streams: %w", err)
	}
	rows, err := s.streams.QueryContext(ctx, cursor, limit)
	names, err := texts(rows, err)
	if err != nil {
		return nil, "", s.db.failed(ctx, "listing streams", err)
	}
	next := ""
	if len(names) == limit {
		next = names[limit-1]
	}
	return slices.DeleteFunc(names, func(name string) bool { return !part.Has(name) }), next, nil
}

// Range implements eventstore.Ranger.
func (s *Events) Range(ctx context.Context, after, upTo string, limit int) ([]event.Event, string, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", fmt.Errorf("reading streams: %w", err)
	}
	events, err := s.between(ctx, after, upTo, limit+1)
	if err != nil || len(events) <= limit {
		return events, "", s.db.failed(ctx, "reading streams", err)
	}
	// The one event too many may belong to the stream that reached the limit.
	last := events[limit-1].Stream
	events = events[:limit]
	rest, err := s.Load(ctx, last, events[limit-1].Version)
	if err != nil {
		return nil, "", err
	}
	return append(events, rest...), last, nil
}

// between reads the events of the streams after one and up to another; "" for no upper bound.
func (s *Events) between(ctx context.Context, after, upTo string, limit int) ([]event.Event, error) {
	if upTo == "" {
		rows, err := s.beyond.QueryContext(ctx, after, limit)
		return readEvents(rows, err, min(limit, rangeEvents))
	}
	rows, err := s.upTo.QueryContext(ctx, after, upTo, limit)
	return readEvents(rows, err, min(limit, rangeEvents))
}

// rangeEvents is the number of events for which Range allocates at once.
const rangeEvents = 4096

func checkLimit(limit int) error {
	if limit < 1 {
		return fmt.Errorf("a page of %d makes no sense", limit)
	}
	return nil
}
