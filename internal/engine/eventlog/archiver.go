package eventlog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/observe"
)

// Record is an event on its way into the log.
type Record struct {
	Source string // its name at the source, such as a stream's sequence number; unique
	Event  event.Event
}

// Archiver appends to the log. Any number of archivers may run at once, in any number of processes. It is
// safe for concurrent use.
type Archiver struct {
	Ledger Ledger
	Blobs  Blobs
	Now    func() time.Time // clock for the times in manifests and keys
	NewID  func() string    // makes the unique part of an object's name
	// Retries bounds the tries to commit one segment; the zero value is DefaultRetries.
	Retries retry.Policy
}

// DefaultRetries is how often an Archiver tries to commit a segment. It is enough against many others at once,
// and takes some seconds in all.
var DefaultRetries = retry.Policy{Tries: 20, First: 5 * time.Millisecond, Longest: time.Second, Jitter: 1}

// Archived is the outcome for a batch.
type Archived struct {
	Events int    // that this call has put into the log
	Last   uint64 // number of the last event of the last segment that holds a part of the batch
	// Records is how many records of the source, counted from the batch's first, are in the log now. Without
	// an error that is the whole batch, or more when another archiver committed a longer one.
	Records int
}

// Commit puts a batch into the log, in its order, unless it is there already. When it returns nil, every
// record of the batch is in the log. After an error some may be, and the batch must be delivered again. As
// long as every batch begins at the first record of the source, or where Archived.Records of another ends,
// no event enters the log twice, wherever batches end and however many archivers the source has. A batch
// that begins elsewhere may repeat events.
func (a *Archiver) Commit(ctx context.Context, batch []Record) (Archived, error) {
	var done Archived
	for len(batch) > 0 {
		covered, err := a.advance(ctx, batch, &done)
		if err != nil {
			return done, fmt.Errorf("archiving: %w", err)
		}
		batch = batch[covered:]
	}
	return done, nil
}

// advance puts a batch into the log, or finds that its beginning is there. It returns how many of its
// records are in the log now.
func (a *Archiver) advance(ctx context.Context, batch []Record, done *Archived) (covered int, err error) {
	ctx, span := observe.StartLinked(ctx, "archive segment", observe.Consumer, traceparents(batch))
	defer func() {
		span.Int(observe.AttrEvents, covered).Int(observe.AttrNumber, int(done.Last)).Failed(err).End()
	}()
	source := batch[0].Source
	claim, err := a.Ledger.Claimed(ctx, source)
	if err != nil {
		return 0, err
	}
	if claim.Records == 0 {
		m, err := a.commitSegment(ctx, batch)
		if err == nil {
			observe.MetricsOf(ctx).Archived(ctx, m.Last, a.Now().Sub(batch[len(batch)-1].Event.OccurredAt.Time()))
			done.Events, done.Last, done.Records = done.Events+len(batch), m.Last, done.Records+len(batch)
			return len(batch), nil
		}
		if !errors.Is(err, ErrClaimed) {
			return 0, err
		}
		// Another try of this batch may have put it there meanwhile, or this one, whose response was lost.
		if claim, err = a.Ledger.Claimed(ctx, source); err != nil {
			return 0, err
		}
		if claim.Records == 0 {
			return 0, fault.Unavailable(fmt.Errorf("the claim of %s cannot be read, though there is one", source))
		}
	}
	span.Bool(observe.AttrRepeated, true)
	last, err := a.complete(ctx, claim)
	if err != nil {
		return 0, err
	}
	observe.Logger(ctx).Info().Str("source", source).Int("records", claim.Records).Uint64("first", claim.First).Msg("archive:claimed")
	done.Last, done.Records = last, done.Records+claim.Records
	return min(claim.Records, len(batch)), nil
}

// traceparents returns those of the batch's events, in order.
func traceparents(batch []Record) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range batch {
			if !yield(batch[i].Event.Traceparent) {
				return
			}
		}
	}
}

// commitSegment puts a batch into the log as one segment.
func (a *Archiver) commitSegment(ctx context.Context, batch []Record) (Manifest, error) {
	started := a.Now()
	s, err := encode(batch)
	if err != nil {
		return Manifest{}, err
	}
	s.manifest.CreatedAt = event.InstantOf(started)
	s.manifest.Key = segmentKey(s.manifest.CreatedAt, a.NewID())
	if err := a.Blobs.Put(ctx, s.manifest.Key, s.data); err != nil {
		return Manifest{}, err
	}
	m, tries, err := a.number(ctx, &s, batch)
	if err != nil {
		return m, err
	}
	if err := PutManifest(ctx, a.Blobs, &m); err != nil {
		return m, err
	}
	observe.Logger(ctx).Info().Uint64("first", m.First).Uint64("last", m.Last).Int("events", m.Count()).Int64("bytes", m.Bytes).Str("key", m.Key).Int("tries", tries).
		Float64(observe.FieldDurationMs, float64(a.Now().Sub(started).Microseconds())/1000).Str(observe.FieldResult, observe.ResultOK).Msg("archive:commit")
	return m, nil
}

// number gives a stored segment its place behind the head. It tries again while other archivers are faster
// or the ledger does not respond.
func (a *Archiver) number(ctx context.Context, s *segment, batch []Record) (m Manifest, tries int, err error) {
	err = retry.Do(ctx, cmp.Or(a.Retries, DefaultRetries), func() (bool, error) {
		tries++
		m, err = a.tryCommit(ctx, s, batch)
		if !errors.Is(err, ErrHeadMoved) && fault.ClassOf(err) != fault.Infra {
			return false, err
		}
		observe.Logger(ctx).Debug().Str("key", s.manifest.Key).Int("try", tries).Err(err).Msg("archive:conflict")
		return true, fault.Unavailable(fmt.Errorf("%d tries to commit %s failed: %w", tries, s.manifest.Key, err))
	})
	return m, tries, err
}

func (a *Archiver) tryCommit(ctx context.Context, s *segment, batch []Record) (Manifest, error) {
	head, err := a.Ledger.Head(ctx)
	if err != nil {
		return Manifest{}, err
	}
	if err := checkLedger(ctx, a.Ledger, a.Blobs, head); err != nil {
		return Manifest{}, err
	}
	m := s.from(head.Number + 1)
	if m.Previous, err = head.next(ctx, a.Ledger); err != nil {
		return m, err
	}
	return m, a.Ledger.Commit(ctx, Commit{Manifest: m, Source: batch[0].Source, Records: len(batch)})
}

// complete puts the manifest of a claimed segment beside it: the process that committed it may have died
// before that. It returns the segment's last number.
func (a *Archiver) complete(ctx context.Context, claim Claim) (uint64, error) {
	manifests, err := a.Ledger.Manifests(ctx, claim.First-1, 1)
	if err != nil {
		return 0, err
	}
	if len(manifests) == 0 || manifests[0].First != claim.First {
		return 0, fmt.Errorf("a claim is on segment %d, which is not in the log", claim.First)
	}
	return manifests[0].Last, PutManifest(ctx, a.Blobs, &manifests[0])
}

// PutManifest puts a manifest beside its segment.
func PutManifest(ctx context.Context, blobs Blobs, m *Manifest) error {
	encoded, err := m.Encode()
	if err != nil {
		return err
	}
	return blobs.Put(ctx, ManifestKey(m.First), encoded)
}

// Encode returns the object of a manifest.
func (m *Manifest) Encode() ([]byte, error) {
	encoded, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the manifest of segment %d: %w", m.First, err)
	}
	return append(encoded, '\n'), nil
}
