package memory

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Ledger stores the control records of a numbered log. Its zero value is an empty log.
type Ledger struct {
	mu        sync.Mutex
	manifests []eventlog.Manifest
	claims    map[string]claim
	pruned    event.Instant // when old claims were last removed
	chain     string        // of the head
}

type claim struct {
	eventlog.Claim
	at event.Instant
}

var _ eventlog.Ledger = (*Ledger)(nil)

// NewLedger returns an empty log.
func NewLedger() *Ledger { return &Ledger{} }

// Head implements eventlog.Ledger.
func (s *Ledger) Head(ctx context.Context) (eventlog.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head(), ctx.Err()
}

func (s *Ledger) head() eventlog.Head {
	if len(s.manifests) == 0 {
		return eventlog.Head{}
	}
	last := s.manifests[len(s.manifests)-1]
	return eventlog.Head{Number: last.Last, Segments: uint64(len(s.manifests)), CommittedAt: last.CreatedAt, Chain: s.chain}
}

// Claimed implements eventlog.Ledger.
func (s *Ledger) Claimed(ctx context.Context, source string) (eventlog.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims[source].Claim, ctx.Err()
}

// Commit implements eventlog.Ledger.
func (s *Ledger) Commit(ctx context.Context, c eventlog.Commit) error {
	err := ctx.Err()
	if err == nil {
		err = c.Check()
	}
	if err == nil {
		err = s.commit(c)
	}
	if err != nil {
		return fmt.Errorf("committing the events %d to %d: %w", c.Manifest.First, c.Manifest.Last, err)
	}
	return nil
}

func (s *Ledger) commit(c eventlog.Commit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, claimed := s.claims[c.Source]; claimed {
		return eventlog.ErrClaimed
	}
	if head := s.head(); head.Number+1 != c.Manifest.First || !head.Follows(&c.Manifest) {
		return eventlog.ErrHeadMoved
	}
	if s.claims == nil {
		s.claims = map[string]claim{}
	}
	s.forgetClaims(c.Manifest.CreatedAt)
	s.claims[c.Source] = claim{eventlog.Claim{Records: c.Records, First: c.Manifest.First}, c.Manifest.CreatedAt}
	s.manifests = append(s.manifests, cloneManifest(c.Manifest))
	s.chain = c.Manifest.Chained()
	return nil
}

// forgetClaims removes old claims, a few times per eventlog.ClaimsKept.
func (s *Ledger) forgetClaims(now event.Instant) {
	kept := event.Instant(eventlog.ClaimsKept.Milliseconds())
	if now < s.pruned+kept/8 {
		return
	}
	s.pruned = now
	for source, c := range s.claims {
		if c.at < now-kept {
			delete(s.claims, source)
		}
	}
}

// Manifests implements eventlog.Ledger.
func (s *Ledger) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	if limit < 1 {
		return nil, fmt.Errorf("reading manifests: a page of %d makes no sense", limit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.above(after)
	var page []eventlog.Manifest
	for _, m := range s.manifests[from:min(from+limit, len(s.manifests))] {
		page = append(page, cloneManifest(m))
	}
	return page, ctx.Err()
}

// above returns the index of the first manifest whose Last is above number.
func (s *Ledger) above(number uint64) int {
	return sort.Search(len(s.manifests), func(i int) bool { return s.manifests[i].Last > number })
}

// Restore implements eventlog.Ledger.
func (s *Ledger) Restore(ctx context.Context, manifests []eventlog.Manifest) error {
	err := ctx.Err()
	if err == nil {
		err = eventlog.CheckRestore(manifests)
	}
	if err == nil {
		err = s.restore(manifests)
	}
	if err != nil {
		return fmt.Errorf("restoring %d manifests: %w", len(manifests), err)
	}
	return nil
}

func (s *Ledger) restore(manifests []eventlog.Manifest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, head := slices.Clone(s.manifests), s.head()
	for i := range manifests {
		m := &manifests[i]
		if m.First == head.Number+1 {
			if err := head.CheckNext(m); err != nil {
				return err
			}
			all = append(all, cloneManifest(*m))
			head.Number, head.Chain = m.Last, m.Chained()
		} else if at := s.above(m.First - 1); at == len(s.manifests) || !s.manifests[at].Equal(m) {
			return fmt.Errorf("%w: it has other events than %d to %d there", eventlog.ErrNoFit, m.First, m.Last)
		}
	}
	s.manifests, s.chain = all, head.Chain
	return nil
}

func cloneManifest(m eventlog.Manifest) eventlog.Manifest {
	m.Frames = slices.Clone(m.Frames)
	return m
}
