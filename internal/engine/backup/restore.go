package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// Target is a new installation, empty so far, to restore a backup into.
type Target struct {
	Blobs       eventlog.Blobs // of its log
	Ledger      eventlog.Ledger
	Archiver    *eventlog.Archiver // of the same log
	Store       Loader
	Credentials credential.Store
	SubjectKeys subject.Keys
	Settings    func(context.Context, map[string]string) error
	Progress    func(Progress) // may be nil
}

// Loader is the port to an event store that is filled, in the order of the log. Nothing else uses it meanwhile.
type Loader interface {
	// Load takes the next events, each stream's in the order of versions, from 1. They may be stored later.
	Load(ctx context.Context, events []event.Event) error
}

// Restored is what was brought back.
type Restored struct {
	Backup   string          `json:"backup"`
	Events   uint64          `json:"events"`   // in the log
	Stored   uint64          `json:"stored"`   // in the event store: repeats are in the log only
	Segments uint64          `json:"segments"` // that were taken as they are
	Cut      bool            `json:"cut"`      // the end of the log was made anew, up to the point
	OldestAt event.Instant   `json:"oldestAt,omitzero"`
	NewestAt event.Instant   `json:"newestAt,omitzero"` // largest occurredAt
	Subjects Subjects        `json:"subjects"`
	Last     eventstore.Mark `json:"-"` // the last event that was stored
}

// restoring is one restore.
type restoring struct {
	Restored
	*Target
	place eventlog.BlobReader
	from  *Catalogue
	point Point

	cutting  bool
	versions map[string]uint64 // of each stream, as far as stored
	held     map[string][]waiting
	batch    []event.Event
	pending  []eventlog.Manifest
	rest     []eventlog.Record // of the segments that are cut
}

// waiting is an event that comes before an earlier version of its stream.
type waiting struct {
	event  event.Event
	logged bool // in a segment that was taken as it is
}

// How many manifests the ledger gets at once, and how many events the store and a new segment get.
const (
	ledgerBatch = 500
	loadBatch   = 5000
	restBatch   = 2000
)

// Plan says what a restore up to a point would bring back, from the manifests alone: the numbers are at least, and
// Cut says that a part of a segment comes in addition.
func Plan(ctx context.Context, place eventlog.BlobReader, c *Catalogue, p Point) (*Restored, error) {
	planned := &Restored{Backup: c.ID, Subjects: c.Subjects}
	err := manifests(ctx, place, c.Head.Number, func(m *eventlog.Manifest) error {
		switch {
		case p.none(m):
			return nil
		case !p.whole(m):
			planned.Cut = true
			if p.Number > 0 {
				planned.Events = p.Number
			}
			return nil
		}
		planned.Segments++
		planned.Events += uint64(m.Count())
		planned.widen(m.OldestAt, m.NewestAt)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("planning the restore of backup %s: %w", c.ID, err)
	}
	return planned, nil
}

func (r *Restored) widen(oldest, newest event.Instant) {
	if r.OldestAt.IsZero() || oldest < r.OldestAt {
		r.OldestAt = oldest
	}
	r.NewestAt = max(r.NewestAt, newest)
}

// Restore fills a new installation from a backup up to a point: log, event store, device keys, keys of subjects,
// settings. Every object is checked by its digest, and the chain of the log. Read models are left to the caller.
func Restore(ctx context.Context, place eventlog.BlobReader, c *Catalogue, p Point, into *Target) (*Restored, error) {
	r := &restoring{
		Restored: Restored{Backup: c.ID}, Target: into, place: place, from: c, point: p,
		versions: map[string]uint64{}, held: map[string][]waiting{},
	}
	for _, step := range []func(context.Context) error{r.log, r.seals, r.credentials, r.subjects, r.settings} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("restoring backup %s: %w", c.ID, err)
		}
	}
	return &r.Restored, nil
}

// seals copies the seals of what was taken as it is.
func (r *restoring) seals(ctx context.Context) error {
	taken := r.Events - uint64(len(r.rest))
	var keys []string
	if err := each(ctx, r.place, seal.Folder, func(b eventlog.Blob) { keys = append(keys, b.Key) }); err != nil {
		return err
	}
	for _, key := range keys {
		if key > seal.KeyOf(taken) {
			break
		}
		data, err := r.place.Get(ctx, key)
		if err == nil {
			err = r.Blobs.Put(ctx, key, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) credentials(ctx context.Context) error {
	records := map[string][]credential.Record{}
	if err := r.from.readPart(ctx, r.place, partCredentials, &records); err != nil {
		return err
	}
	for _, kind := range credentialKinds {
		for _, record := range records[kind] {
			if err := r.Credentials.AddCredential(ctx, kind, record); err != nil && !errors.Is(err, credential.ErrExists) {
				return err
			}
		}
	}
	return nil
}

func (r *restoring) subjects(ctx context.Context) error {
	for p := range eventlog.Partitions {
		records, err := readSubjects(ctx, r.place, p)
		if err != nil {
			return err
		}
		for i := range records {
			if err := r.subject(ctx, &records[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *restoring) subject(ctx context.Context, s *subject.Record) error {
	if !s.ErasedAt.IsZero() {
		r.Subjects.Erased++
		_, _, err := r.SubjectKeys.Erase(ctx, s.Subject, s.ErasedAt)
		return err
	}
	if len(s.Key) != subject.KeyBytes {
		return fmt.Errorf("the key of %s has %d bytes: %w", s.Subject, len(s.Key), ErrDamaged)
	}
	r.Subjects.Keys++
	_, err := r.SubjectKeys.Add(ctx, s.Subject, subject.Key(s.Key))
	return err
}

func (r *restoring) settings(ctx context.Context) error {
	kept := map[string]string{}
	if err := r.from.readPart(ctx, r.place, partSettings, &kept); err != nil {
		return err
	}
	return r.Settings(ctx, kept)
}

// Age returns how old a backup is.
func (c *Catalogue) Age(now time.Time) time.Duration { return now.Sub(c.CreatedAt.Time()) }
