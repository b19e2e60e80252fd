package repair

import (
	"bytes"
	"context"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/model"
)

// Healed is what healing did to one stream in one table version.
type Healed struct {
	Table   string             `json:"table"`
	Stream  string             `json:"stream"`
	Changed bool               `json:"changed"` // the row was not what its stream says
	From    uint64             `json:"from"`    // the row's version before
	To      uint64             `json:"to"`      // and after
	Parked  *projection.Parked `json:"parked,omitempty"`
	// Missing says that there is no row, and that none was made: totals have its share still, or are
	// wrong.
	Missing bool `json:"missing,omitempty"`
	// Ahead says that the row was left alone: the event store has lost events that it holds.
	Ahead bool `json:"ahead,omitempty"`
	// Disputed says that the row was left alone, and why: its stream is not the same in the event
	// store and in the log.
	Disputed string `json:"disputed,omitempty"`
}

// Heal folds streams anew and writes their rows where they differ, in every version that live
// delivery writes. A stream may be named by its order's id too. It calls f with each outcome.
func (m *ReadModels) Heal(ctx context.Context, name string, streams []string, f func(Healed) error) error {
	return m.eachLive(ctx, name, func(d model.Projection, t projection.Table) error {
		for some := range slices.Chunk(named(d, streams), page) {
			if err := m.known(ctx, t, some); err != nil {
				return err
			}
			if err := m.heal(ctx, d, t, some, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// StreamNames completes the names of streams, which may be given as their orders' ids, and
// refuses those that nobody knows, and those whose row in the active version holds events that the
// store has lost.
func (m *ReadModels) StreamNames(ctx context.Context, name string, keys []string) ([]string, error) {
	p, err := m.pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, v := range p.Versions {
		if v.State != projection.Active {
			continue
		}
		d, err := m.definition(name, v)
		if err != nil {
			return nil, err
		}
		streams := named(d, keys)
		if err := m.known(ctx, p.Table(v), streams); err != nil {
			return nil, err
		}
		rows, err := m.Tables.Records(ctx, p.Table(v), streams)
		if err != nil {
			return nil, err
		}
		histories, err := m.Streams.LoadMany(ctx, streams) // after the rows: see Record.Ahead
		if err != nil {
			return nil, err
		}
		for _, s := range streams {
			if row := rows[s]; row.Ahead(histories[s]) {
				return nil, refused("the row of stream %s holds events that the event store does not have: gakushoku events verify --deep", s)
			}
		}
		return streams, nil
	}
	return nil, refused("%s has no active version", name)
}

// named completes the names of streams.
func named(d model.Projection, keys []string) []string {
	streams := make([]string, len(keys))
	for i, key := range keys {
		if streams[i] = key; !d.Folds(key) {
			streams[i] = d.Streams + key
		}
	}
	slices.Sort(streams)
	return slices.Compact(streams)
}

// known refuses names that neither the event store nor the table has: most likely they are
// misspelt.
func (m *ReadModels) known(ctx context.Context, t projection.Table, streams []string) error {
	rows, err := m.Tables.Records(ctx, t, streams)
	if err != nil {
		return err
	}
	histories, err := m.Streams.LoadMany(ctx, streams)
	if err != nil {
		return err
	}
	for _, s := range streams {
		if _, ok := rows[s]; !ok && len(histories[s]) == 0 {
			return refused("stream %s: %v", s, verify.ErrUnknown)
		}
	}
	return nil
}

func (m *ReadModels) heal(ctx context.Context, d model.Projection, t projection.Table, streams []string, f func(Healed) error) error {
	before, err := m.Tables.Records(ctx, t, streams)
	if err != nil {
		return err
	}
	left, err := m.verifier().Heal(ctx, d, t, streams)
	if err != nil {
		return err
	}
	after, err := m.Tables.Records(ctx, t, streams)
	if err != nil {
		return err
	}
	histories, err := m.Streams.LoadMany(ctx, streams) // after the rows: see Record.Ahead
	if err != nil {
		return err
	}
	for _, s := range streams {
		b, a := before[s], after[s]
		healed := Healed{Table: t.String(), Stream: s, Changed: differs(&b, &a) && !unreadable(&a), From: b.Version, To: a.Version, Parked: a.Parked, Missing: missing(after, s), Ahead: a.Ahead(histories[s]), Disputed: left.Disputed[s]}
		if err := f(healed); err != nil {
			return err
		}
	}
	return nil
}

// missing reports whether a stream has no row, or one that says nothing.
func missing(rows map[string]projection.Record, stream string) bool {
	row := rows[stream]
	return row.Version == 0 && row.Parked == nil
}

// unreadable reports whether a row was set aside because it cannot be read: then nothing of it was
// mended.
func unreadable(row *projection.Record) bool { return row.Parked != nil && row.Parked.EventID == "" }

// differs reports whether a row says something else; another attempt at a parked event does not
// count.
func differs(a, b *projection.Record) bool {
	return a.Version != b.Version || !bytes.Equal(a.Data, b.Data) || a.Place != b.Place || (a.Parked == nil) != (b.Parked == nil)
}

// HealParked tries every stream again that is set aside, in every version that live delivery
// writes: after a deployment that can apply what the one before could not.
func (m *ReadModels) HealParked(ctx context.Context, name string, f func(Healed) error) error {
	return m.eachLive(ctx, name, func(d model.Projection, t projection.Table) error {
		return m.parkedPages(ctx, t, func(rows []projection.Record) error {
			streams := make([]string, len(rows))
			for i := range rows {
				streams[i] = rows[i].Stream
			}
			return m.heal(ctx, d, t, streams, f)
		})
	})
}
