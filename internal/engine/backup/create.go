package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// Source is an installation to be backed up. It may go on working meanwhile.
type Source struct {
	ID          string                                           // of the installation
	Program     string                                           // version of this program
	Flush       func(context.Context) error                      // brings the log to the end of the event store
	Log         *eventlog.Reader                                 // the log
	Credentials credential.Store                                 // device keys, and secrets of sessions
	Subjects    subject.Lister                                   // keys of subjects
	Settings    func(context.Context) (map[string]string, error) // files to keep, by name
	Now         func() time.Time
	NewID       func() string
	Progress    func(Progress) // may be nil
}

// Progress is how far copying is.
type Progress struct {
	Done, Total uint64 // events
}

// Create makes a backup in a place: it copies what the place lacks, checked by digest, and writes the catalogue
// last. It may be repeated after any failure, and then copies what is still missing.
func (s *Source) Create(ctx context.Context, place eventlog.Blobs) (*Catalogue, error) {
	c, err := s.create(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("making a backup: %w", err)
	}
	return c, nil
}

func (s *Source) create(ctx context.Context, place eventlog.Blobs) (*Catalogue, error) {
	if err := s.Flush(ctx); err != nil {
		return nil, err
	}
	run := &creating{Source: s, place: place, catalogue: &Catalogue{Format: format, Program: s.Program, Source: s.ID}}
	if err := run.log(ctx); err != nil {
		return nil, err
	}
	if err := run.take(ctx); err != nil {
		return nil, err
	}
	err := run.copy(ctx)
	if run.turn != nil {
		err = errors.Join(err, run.turn.end(ctx))
	}
	if err != nil {
		return nil, err
	}
	c := run.catalogue
	c.CreatedAt = event.InstantOf(s.Now())
	c.ID = idOf(c.CreatedAt, c.Head.Number)
	return c, place.Create(ctx, keyOf(c.ID), encode(c))
}

// creating is one backup that is being made.
type creating struct {
	*Source
	place     eventlog.Blobs
	catalogue *Catalogue
	manifests []eventlog.Manifest
	had       *inventory
	turn      *turn
}

// log reads the manifests up to the head.
func (r *creating) log(ctx context.Context) error {
	head, err := r.Log.WholeHead(ctx)
	if err != nil {
		return err
	}
	chain, c := eventlog.Chain{Hash: eventlog.Genesis}, r.catalogue
	err = r.Log.Manifests(ctx, 0, head.Number, func(m *eventlog.Manifest) error {
		if c.Head.Number == 0 {
			c.OldestAt, c.NewestAt = m.OldestAt, m.NewestAt
		}
		c.OldestAt, c.NewestAt = min(c.OldestAt, m.OldestAt), max(c.NewestAt, m.NewestAt)
		c.Head = eventlog.Head{Number: m.Last, Segments: c.Head.Segments + 1, CommittedAt: m.CreatedAt}
		c.Bytes += m.Bytes
		r.manifests = append(r.manifests, *m)
		return chain.Add(m)
	})
	if err == nil && c.Head.Number != head.Number {
		err = fmt.Errorf("the manifests end at event %d, the log at %d", c.Head.Number, head.Number)
	}
	c.Head.Chain = chain.Hash
	return err
}

// take looks at what the place has. If something is to be copied, it first takes a turn, so that no prune
// removes what this backup relies on, and looks again.
func (r *creating) take(ctx context.Context) (err error) {
	if r.had, err = look(ctx, r.place); err != nil {
		return err
	}
	if err := r.fits(ctx); err != nil {
		return err
	}
	if lacks, err := r.lacks(ctx); err != nil || !lacks {
		return err
	}
	if r.turn, err = begin(ctx, r.place, backupTurn, r.NewID(), r.Now()); err != nil {
		return err
	}
	r.had, err = look(ctx, r.place)
	if err != nil {
		err = errors.Join(err, r.turn.end(ctx))
	}
	return err
}

// fits refuses a place with backups of another log, or of a longer one: then this log is an older copy. The chain
// tells, not the installation: one that was restored up to its end goes on with its backups.
func (r *creating) fits(ctx context.Context) error {
	newest := r.had.newest
	if newest == nil {
		return nil
	}
	chain := eventlog.Chain{Hash: eventlog.Genesis}
	last := uint64(0)
	for i := range r.manifests {
		if r.manifests[i].Last > newest.Head.Number {
			break
		}
		last = r.manifests[i].Last
		if err := chain.Add(&r.manifests[i]); err != nil {
			return err
		}
	}
	if last != newest.Head.Number || chain.Hash != newest.Head.Chain {
		return fmt.Errorf("%w (%s ends at event %d with another history)", ErrOtherLog, newest.ID, newest.Head.Number)
	}
	return nil
}

// lacks reports whether anything is to be copied.
func (r *creating) lacks(ctx context.Context) (bool, error) {
	for i := range r.manifests {
		if !r.had.has(&r.manifests[i]) {
			return true, nil
		}
	}
	for _, step := range []func(context.Context, bool) (bool, error){r.seals, r.parts, r.subjects} {
		if lacks, err := step(ctx, false); err != nil || lacks {
			return true, err
		}
	}
	return false, nil
}

// copy copies what the place lacks.
func (r *creating) copy(ctx context.Context) error {
	for i := range r.manifests {
		m := &r.manifests[i]
		if !r.had.has(m) {
			if err := r.segment(ctx, m); err != nil {
				return err
			}
		}
		if r.Progress != nil {
			r.Progress(Progress{m.Last, r.catalogue.Head.Number})
		}
	}
	for _, step := range []func(context.Context, bool) (bool, error){r.seals, r.parts, r.subjects} {
		if _, err := step(ctx, true); err != nil {
			return err
		}
	}
	return nil
}

// segment copies a segment, checked by its digest, and then its manifest.
func (r *creating) segment(ctx context.Context, m *eventlog.Manifest) error {
	manifest, err := m.Encode()
	if err != nil {
		return err
	}
	there, err := r.place.Get(ctx, eventlog.ManifestKey(m.First))
	if err == nil && string(there) != string(manifest) {
		return fmt.Errorf("%w (another segment begins at event %d)", ErrOtherLog, m.First)
	}
	if err != nil && !errors.Is(err, eventlog.ErrNoBlob) {
		return err
	}
	data, err := segmentData(ctx, r.Log.Blobs, m)
	if err == nil {
		err = r.put(ctx, m.Key, data)
	}
	if err == nil {
		err = r.place.Create(ctx, eventlog.ManifestKey(m.First), manifest)
	}
	if errors.Is(err, eventlog.ErrExists) {
		err = fmt.Errorf("%w (another segment begins at event %d): %w", ErrOtherLog, m.First, err)
	}
	if err == nil {
		r.copied(manifest)
	}
	return err
}

// segmentData reads the object of a segment and checks its digest.
func segmentData(ctx context.Context, blobs eventlog.BlobReader, m *eventlog.Manifest) ([]byte, error) {
	data, err := blobs.Get(ctx, m.Key)
	if err == nil && !m.Describes(data) {
		err = fmt.Errorf("the object of segment %d, %s: %w", m.First, m.Key, ErrDamaged)
	}
	return data, err
}

func (r *creating) put(ctx context.Context, key string, data []byte) error {
	if err := r.place.Put(ctx, key, data); err != nil {
		return err
	}
	r.copied(data)
	return nil
}

func (r *creating) copied(data []byte) {
	r.catalogue.Copied.Objects++
	r.catalogue.Copied.Bytes += int64(len(data))
}

// seals copies the seals that the place lacks; without do, it only reports whether there are any.
func (r *creating) seals(ctx context.Context, do bool) (lacks bool, err error) {
	var keys []string
	r.catalogue.Seals = 0
	err = each(ctx, r.Log.Blobs, seal.Folder, func(b eventlog.Blob) {
		if b.Key > seal.KeyOf(r.catalogue.Head.Number) {
			return
		}
		r.catalogue.Seals++
		if r.had.sizes[b.Key] != b.Bytes {
			keys = append(keys, b.Key)
		}
	})
	for i := 0; do && err == nil && i < len(keys); i++ {
		var data []byte
		if data, err = r.Log.Blobs.Get(ctx, keys[i]); err == nil {
			err = r.put(ctx, keys[i], data)
		}
	}
	return len(keys) > 0, err
}
