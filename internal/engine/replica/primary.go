package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gakushoku/internal/engine/eventlog"
)

// Primary copies a log to a place and tells whether commands may be acknowledged. A command waits for neither: it
// is acknowledged when it is durable here and the lease is held, so what a lost primary loses is what was not
// copied yet. It is safe for concurrent use, but a log has one primary at a time.
type Primary struct {
	Log   *eventlog.Reader
	Place eventlog.Blobs
	About About // its lease is this primary's: 0 leaves the lease out, so that commands do not wait for the place
	Now   func() time.Time

	copying sync.Mutex // held by a round of Copy

	mu      sync.Mutex
	resumed bool      // whether copied is known
	copied  uint64    // number of the last event that the place has from here
	contact time.Time // when the last call began that found no fence
	level   time.Time // when the last round began that left nothing to be copied
	stopped error     // ErrFenced or ErrOtherLog: for good
}

// Standing is where replication stands.
type Standing struct {
	Copied  uint64    // number of the last event that the place has
	Contact time.Time // when the last successful contact with the place began; zero: none yet
	Level   time.Time // when the place was last known to have the whole log; zero: never
	Stopped error     // ErrFenced or ErrOtherLog if no command is acknowledged any more
}

// Standing returns where replication stands.
func (p *Primary) Standing() Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Standing{p.copied, p.contact, p.level, p.stopped}
}

// Allow returns nil as long as commands may be acknowledged. It must be asked after a command's events are
// durable, or found to be, and before anybody is told.
func (p *Primary) Allow() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stopped != nil:
		return &NotPrimary{Why: p.stopped}
	case p.About.LeaseMs > 0 && (p.contact.IsZero() || elapsed(p.contact, p.Now()) >= p.About.Lease()):
		return &NotPrimary{Why: ErrNoLease}
	}
	return nil
}

// Behind is how far replication is behind: how long the place may lack something, or was not reached. since is
// when replication began.
func (p *Primary) Behind(since time.Time) time.Duration {
	s := p.Standing()
	oldest := since
	if s.Contact.After(oldest) && s.Level.After(oldest) {
		oldest = s.Contact
		if s.Level.Before(oldest) {
			oldest = s.Level
		}
	}
	return max(0, elapsed(oldest, p.Now()))
}

// elapsed is the time between two looks at the clock. The monotonic clock stands still while a machine is
// suspended, and the other one may be set back, so the longer of both counts.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// Contact makes sure that there is no fence, which renews the lease. The lease counts from before the question:
// the answer may have been a long time under way. Only an empty next entry proves anything. That an entry of ours
// is there does not: a fence may follow it.
func (p *Primary) Contact(ctx context.Context) error {
	if err := p.resume(ctx); err != nil {
		return err
	}
	began, copied := p.Now(), p.Standing().Copied
	next, err := readEntry(ctx, p.Place, copied+1)
	switch {
	case errors.Is(err, eventlog.ErrNoBlob):
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stopped == nil && began.After(p.contact) {
			p.contact = began
		}
		return p.stopped
	case err != nil:
		return fmt.Errorf("looking for a fence: %w", err)
	}
	own, err := p.ours(ctx, &next)
	if err == nil && !own {
		err = p.stop(ErrFenced)
	}
	return err
}

// ours reports whether an entry is a segment of this log.
func (p *Primary) ours(ctx context.Context, m *eventlog.Manifest) (bool, error) {
	own, err := p.Log.Ledger.Manifests(ctx, m.First-1, 1)
	return len(own) > 0 && own[0].Equal(m), err
}

// stop makes this primary stop for good.
func (p *Primary) stop(why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = why
	return why
}

// ready reports whether it is known what the place has.
func (p *Primary) ready() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resumed, p.stopped
}

// resume finds out what the place has from an earlier process, and tells who replicates. It waits for no round of
// Copy once that is known.
func (p *Primary) resume(ctx context.Context) error {
	if done, err := p.ready(); done || err != nil {
		return err
	}
	p.copying.Lock()
	defer p.copying.Unlock()
	return p.resumeLocked(ctx)
}

func (p *Primary) resumeLocked(ctx context.Context) error {
	if done, err := p.ready(); done || err != nil {
		return err
	}
	last, err := lastEntry(ctx, p.Place)
	if err == nil && last > 0 {
		last, err = p.compare(ctx, last)
	}
	if err == nil {
		err = putAbout(ctx, p.Place, p.About)
	}
	if err != nil {
		return fmt.Errorf("looking for what the place has: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resumed, p.copied = true, last
	return nil
}

// lastEntry returns the number under which a place has its last entry; 0 if it has none.
func lastEntry(ctx context.Context, place eventlog.BlobReader) (uint64, error) {
	last := ""
	for b, err := range eventlog.Objects(ctx, place, entryFolder, "") {
		if err != nil {
			return 0, err
		}
		last = b.Key
	}
	if last == "" {
		return 0, nil
	}
	return firstOf(last)
}

// End returns the number of the last event of a place's log; 0 if it has none.
func End(ctx context.Context, place eventlog.BlobReader) (uint64, error) {
	first, err := lastEntry(ctx, place)
	if err != nil || first == 0 {
		return 0, err
	}
	m, err := readEntry(ctx, place, first)
	return m.Last, err
}

// compare returns the number of the last event of the place, whose last entry is under first. Each entry has the
// chain's hash of the log before it, so if that one is ours, all are.
func (p *Primary) compare(ctx context.Context, first uint64) (uint64, error) {
	last, err := readEntry(ctx, p.Place, first)
	if err != nil {
		return 0, err
	}
	if own, err := p.ours(ctx, &last); own || err != nil {
		return last.Last, err
	}
	begin, err := readEntry(ctx, p.Place, 1)
	if err != nil {
		return 0, err
	}
	own, err := p.ours(ctx, &begin)
	if err == nil && !own {
		own, err = isFence(ctx, p.Place, &begin)
	}
	switch {
	case err != nil:
		return 0, err
	case !own:
		return 0, p.stop(ErrOtherLog)
	}
	return 0, p.stop(ErrFenced)
}

// Copy copies what the place lacks, segment by segment.
func (p *Primary) Copy(ctx context.Context) error {
	p.copying.Lock()
	defer p.copying.Unlock()
	if err := p.resumeLocked(ctx); err != nil {
		return err
	}
	began := p.Now()
	head, err := p.Log.Head(ctx)
	if err != nil {
		return err
	}
	copied := p.Standing().Copied
	err = p.Log.Manifests(ctx, copied, head.Number, func(m *eventlog.Manifest) error {
		if m.First != copied+1 {
			return fmt.Errorf("the place has the events up to %d, and segment %d begins before that", copied, m.First)
		}
		if err := p.copy(ctx, m); err != nil {
			return fmt.Errorf("copying segment %d: %w", m.First, err)
		}
		copied = m.Last
		return ctx.Err()
	})
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.level = began
	}
	return err
}

// copy copies one segment: its object, and then its entry, which makes it a part of the place's log.
func (p *Primary) copy(ctx context.Context, m *eventlog.Manifest) error {
	data, err := readSegment(ctx, p.Log.Blobs, m)
	if err == nil {
		err = p.Place.Put(ctx, m.Key, data)
	}
	if err == nil {
		_, err = readSegment(ctx, p.Place, m)
	}
	if err != nil {
		return err
	}
	entry, err := m.Encode()
	if err != nil {
		return err
	}
	if err := p.Place.Create(ctx, entryKey(m.First), entry); errors.Is(err, eventlog.ErrExists) {
		return p.stop(ErrFenced)
	} else if err != nil {
		return err
	}
	p.mu.Lock()
	p.copied = m.Last
	p.mu.Unlock()
	return p.Place.Put(ctx, eventlog.ManifestKey(m.First), entry)
}
