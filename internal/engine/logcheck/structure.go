package logcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
)

// couldNotTell returns errors that say nothing about what was checked, such as a store that does not respond,
// and drops those that do.
func couldNotTell(err error) error {
	if err != nil && fault.ClassOf(err) == fault.Infra {
		return err
	}
	return nil
}

// beside is a manifest of the ledger, and what was found in its place beside the segment.
type beside struct {
	manifest *eventlog.Manifest
	found    bool
	other    *eventlog.Manifest // the manifest that was found; nil if it is invalid
	respelt  bool               // it says the same in other bytes than were written
}

// structure checks manifests and the list of objects, without reading the objects.
func (v *verification) structure(ctx context.Context) error {
	head, err := v.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	v.report.Head = head
	s := &structure{verification: v, head: head, unnamed: map[string]eventlog.Blob{}, known: map[uint64]bool{}}
	err = v.objects(ctx, eventlog.SegmentFolder, func(b eventlog.Blob) error {
		s.unnamed[b.Key] = b
		return nil
	})
	if err == nil {
		err = s.walk(ctx)
	}
	if err == nil {
		err = s.missingManifests(ctx)
	}
	if err == nil {
		err = s.extraManifests(ctx)
	}
	if err == nil {
		err = s.emptyLedger(ctx)
	}
	s.orphans()
	return err
}

// structure is the state of that check.
type structure struct {
	*verification
	head     eventlog.Head
	unnamed  map[string]eventlog.Blob // the objects that no manifest has named yet
	known    map[uint64]bool          // the first numbers of all segments
	last     uint64
	chain    eventlog.Chain
	segments uint64
	missing  []uint64 // the first numbers of segments without a manifest beside them
	young    bool     // one of them is so young that its manifest may still come
}

// walk checks every segment of the ledger.
func (s *structure) walk(ctx context.Context) error {
	err := ordered(ctx, s.workers(),
		func(ctx context.Context, next func(*eventlog.Manifest) error) error {
			return s.Log.segments(ctx, 0, toTheEnd, next)
		},
		func(ctx context.Context, m *eventlog.Manifest) (beside, error) {
			there, raw, err := readManifest(ctx, s.Blobs, eventlog.ManifestKey(m.First))
			b := beside{manifest: m, found: !errors.Is(err, eventlog.ErrNoBlob), other: there}
			if err == nil && m.Previous != "" {
				var written []byte
				written, err = there.Encode()
				b.respelt = !bytes.Equal(raw, written)
			}
			return b, unreachable(err)
		},
		func(b beside) error { return s.segment(ctx, b) })
	if err == nil && (s.last != s.head.Number || s.segments != s.head.Segments) {
		s.report.add(Problem{Kind: WrongHead, Detail: fmt.Sprintf("the head is event %d in %d segments, but the segments end at %d and are %d", s.head.Number, s.head.Segments, s.last, s.segments)})
	}
	return err
}

var errNoManifest = errors.New("is no manifest")

// unreachable returns errors of readManifest that say nothing about the manifest.
func unreachable(err error) error {
	if noObject(err) || errors.Is(err, errNoManifest) {
		return nil
	}
	return err
}

// noObject reports whether an object does not exist, or could not have been written by this system.
func noObject(err error) bool {
	return errors.Is(err, eventlog.ErrNoBlob) || errors.Is(err, eventlog.ErrTooLarge)
}

// readManifest reads the manifest beside a segment, and checks that it is one.
func readManifest(ctx context.Context, blobs eventlog.BlobReader, key string) (m *eventlog.Manifest, raw []byte, err error) {
	if raw, err = blobs.Get(ctx, key); err != nil {
		return nil, nil, err
	}
	m = &eventlog.Manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, nil, fmt.Errorf("%s %w: %w", key, errNoManifest, err)
	}
	return m, raw, nil
}

// segment checks one segment. It only notes a segment that was committed after the verification began.
func (s *structure) segment(ctx context.Context, b beside) error {
	m := b.manifest
	object, there := s.unnamed[m.Key]
	delete(s.unnamed, m.Key)
	s.known[m.First] = true
	if m.Last > s.head.Number {
		return nil
	}
	problem := func(kind Kind, format string, args ...any) {
		s.report.add(Problem{Kind: kind, Segment: m.First, Key: m.Key, Detail: fmt.Sprintf(format, args...)})
	}
	if m.First != s.last+1 {
		problem(Hole, "the segment before it ends at %d", s.last)
	}
	s.last = max(s.last, m.Last)
	if err := s.chain.Add(m); err != nil {
		problem(ChainBroken, "%v", err)
	}
	s.segments++
	s.report.Bytes += m.Bytes
	s.report.RawBytes += m.RawBytes
	if err := m.Check(); err != nil {
		problem(BadManifest, "%v", err)
	}
	switch {
	case !there:
		if _, err := s.lostObject(ctx, m, ObjectMissing, "the object is not there"); err != nil {
			return err
		}
	case object.Bytes != m.Bytes:
		if _, err := s.lostObject(ctx, m, ObjectDamaged, fmt.Sprintf("the object has %d bytes, %d were written", object.Bytes, m.Bytes)); err != nil {
			return err
		}
	}
	if !b.found {
		s.missing = append(s.missing, m.First)
		s.young = s.young || s.Now().Sub(m.CreatedAt.Time()) < s.Patience
		return nil
	}
	if b.other == nil || !b.other.Equal(m) || b.respelt {
		return s.differing(ctx, m, b.other)
	}
	return nil
}

// lostObject reports a segment whose object is missing or damaged, and makes the object again from the store.
func (v *verification) lostObject(ctx context.Context, m *eventlog.Manifest, kind Kind, detail string) (mended bool, err error) {
	p := Problem{Kind: kind, Segment: m.First, Key: m.Key, Detail: detail + ": restore it from a backup"}
	if v.Batch != nil {
		p.Detail = detail + ": archive verify --fix makes it again from the event store, or restore it from a backup"
	}
	if v.fix && v.Batch != nil {
		events, err := v.Batch(ctx, m)
		if err == nil {
			err = eventlog.Remake(ctx, v.Blobs, m, events)
		}
		switch {
		case err == nil:
			p.Fixed = true
		case errors.Is(err, eventlog.ErrOtherEvents):
			p.Detail = detail + ", and the event store does not have the same events: restore it from a backup"
		default:
			return false, err
		}
	}
	v.report.add(p)
	return p.Fixed, nil
}

// differing reports a manifest beside a segment that differs from the ledger's. Either may be damaged; the
// segment itself shows which.
func (s *structure) differing(ctx context.Context, m, other *eventlog.Manifest) error {
	data, err := s.Blobs.Get(ctx, m.Key)
	if err != nil && !noObject(err) {
		return err
	}
	if err == nil && fits(m, data) {
		return s.manifestProblem(ctx, m, ManifestDiffers)
	}
	p := Problem{Kind: ManifestDiffers, Segment: m.First, Key: eventlog.ManifestKey(m.First), Detail: "the segment is missing or damaged, so it does not say which manifest is right"}
	if other == nil {
		s.report.add(p)
		return nil
	}
	if other.Key != m.Key {
		if data, err = s.Blobs.Get(ctx, other.Key); err != nil && !noObject(err) {
			return err
		}
	}
	if err == nil && other.First == m.First && fits(other, data) {
		p.Kind, p.Detail = BadManifest, "the ledger's manifest does not fit the segment, the one beside it does: move the ledger away, then restore the manifests"
	}
	s.report.add(p)
	return nil
}

// manifestProblem reports a problem with the manifest beside a segment, and writes that manifest again.
func (s *structure) manifestProblem(ctx context.Context, m *eventlog.Manifest, kind Kind) error {
	p := Problem{Kind: kind, Segment: m.First, Key: eventlog.ManifestKey(m.First), Fixed: s.fix}
	if s.fix {
		if err := eventlog.PutManifest(ctx, s.Blobs, m); err != nil {
			return err
		}
	}
	s.report.add(p)
	return nil
}

// missingManifests checks again for missing manifests, since an archiver writes them just after its commit.
func (s *structure) missingManifests(ctx context.Context) error {
	if s.young {
		if err := s.pause(ctx, s.Patience); err != nil {
			return err
		}
	}
	for _, first := range s.missing {
		manifests, err := s.Ledger.Manifests(ctx, first-1, 1)
		if err != nil {
			return err
		}
		if len(manifests) == 0 {
			continue
		}
		_, err = s.Blobs.Get(ctx, eventlog.ManifestKey(first))
		switch {
		case err == nil:
			continue
		case !errors.Is(err, eventlog.ErrNoBlob):
			return err
		}
		if err := s.manifestProblem(ctx, &manifests[0], ManifestMissing); err != nil {
			return err
		}
	}
	return nil
}

// extraManifests finds manifests that the ledger does not have, even now.
func (s *structure) extraManifests(ctx context.Context) error {
	return s.objects(ctx, eventlog.ManifestFolder, func(b eventlog.Blob) error {
		var first uint64
		if _, err := fmt.Sscanf(b.Key, eventlog.ManifestFolder+"%d.json", &first); err != nil || first < 1 || eventlog.ManifestKey(first) != b.Key {
			return nil // not a manifest
		}
		if s.known[first] {
			return nil
		}
		manifests, err := s.Ledger.Manifests(ctx, first-1, 1)
		if err != nil {
			return err
		}
		if len(manifests) == 0 || manifests[0].First != first {
			s.unsure = "the ledger does not have all of the log"
			s.report.add(Problem{Kind: ManifestExtra, Segment: first, Key: b.Key, Detail: "the ledger does not have this segment: if the ledger was lost, restore the manifests"})
		}
		return nil
	})
}

func (s *structure) orphans() {
	for _, object := range s.unnamed {
		if s.isOld(object) {
			s.report.Orphans++
			s.report.OrphanBytes += object.Bytes
		}
	}
}
