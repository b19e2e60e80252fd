package memory

import (
	"maps"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Copy returns a copy of the store as it is now: a backup.
func (s *Events) Copy() *Events {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := &Events{streams: map[string][]event.Event{}, log: slices.Clone(s.log), numbers: maps.Clone(s.numbers), Unchecked: s.Unchecked}
	for stream, held := range s.streams {
		c.streams[stream] = slices.Clone(held)
	}
	return c
}

// Copy returns a copy of the store as it is now.
func (s *Tables) Copy() *Tables {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := &Tables{tables: map[projection.Table]*table{}}
	for name, t := range s.tables {
		copied := &table{maps.Clone(t.records), map[string]map[string]int64{}, maps.Clone(t.parts)}
		for key, fields := range t.totals {
			copied.totals[key] = maps.Clone(fields)
		}
		c.tables[name] = copied
	}
	return c
}

// Copy returns a copy of the store as it is now.
func (s *Control) Copy() *Control {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Control{pointers: maps.Clone(s.pointers), checkpoints: maps.Clone(s.checkpoints)}
}

// Copy returns a copy of the ledger as it is now.
func (s *Ledger) Copy() *Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Ledger{manifests: slices.Clone(s.manifests), claims: maps.Clone(s.claims), pruned: s.pruned, chain: s.chain}
}

// Copy returns a copy of the store as it is now.
func (s *Blobs) Copy() *Blobs {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Blobs{Now: s.Now, objects: maps.Clone(s.objects)}
}
