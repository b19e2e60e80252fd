package verify

import (
	"bytes"
	"context"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Healed is the outcome of healing one stream in one table version.
type Healed struct {
	Table   string             `json:"table"`
	Stream  string             `json:"stream"`
	Changed bool               `json:"changed"` // the row differed from its events
	From    uint64             `json:"from"`    // the row's version before
	To      uint64             `json:"to"`      // and after
	Parked  *projection.Parked `json:"parked,omitempty"`
	// Missing: there is no row, and none was made, because the totals still count it or are wrong.
	Missing bool `json:"missing,omitempty"`
	// Ahead: the row was left alone, because the event store has lost events that it holds.
	Ahead bool `json:"ahead,omitempty"`
	// Disputed: the row was left alone, because its stream differs between the event store and the log;
	// the text says where.
	Disputed string `json:"disputed,omitempty"`
}

// Heal folds streams again and writes the rows that differ, in every version that live delivery
// writes. A stream may also be named without its prefix. Heal calls f with each outcome.
func (m *ReadModels) Heal(ctx context.Context, name string, streams []string, f func(Healed) error) error {
	return m.healEachLive(ctx, name, func(d model.Projection, t projection.Table) error {
		for some := range slices.Chunk(named(d, streams), pageSize) {
			if err := m.heal(ctx, d, t, some, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// StreamNames completes the names of streams, which may be given without their prefix. It refuses
// unknown streams, and those whose row in the active version holds events that the event store lacks.
func (m *ReadModels) StreamNames(ctx context.Context, name string, keys []string) ([]string, error) {
	p, err := m.pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	active, err := choose(p, 0)
	if err != nil {
		return nil, err
	}
	d, err := m.definition(name, active)
	if err != nil {
		return nil, err
	}
	streams := named(d, keys)
	rows, histories, err := m.rowsAndStreams(ctx, p.Table(active), streams)
	if err == nil {
		err = known(streams, rows, histories)
	}
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

// rowsAndStreams reads rows and then their streams; see Record.Ahead for why in that sequence.
func (m *ReadModels) rowsAndStreams(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, map[string][]event.Event, error) {
	rows, err := m.Tables.Records(ctx, t, streams)
	if err != nil {
		return nil, nil, err
	}
	histories, err := m.Streams.LoadMany(ctx, streams)
	return rows, histories, err
}

// named adds the prefix to stream names that lack it.
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

// known refuses streams that have neither events nor a row: most likely they are misspelt.
func known(streams []string, rows map[string]projection.Record, histories map[string][]event.Event) error {
	for _, s := range streams {
		if _, ok := rows[s]; !ok && len(histories[s]) == 0 {
			return refused("stream %s: %v", s, ErrUnknown)
		}
	}
	return nil
}

// heal heals some streams of one table version and calls f with the outcome of each.
func (m *ReadModels) heal(ctx context.Context, d model.Projection, t projection.Table, streams []string, f func(Healed) error) error {
	before, histories, err := m.rowsAndStreams(ctx, t, streams)
	if err == nil {
		err = known(streams, before, histories)
	}
	if err != nil {
		return err
	}
	left, err := m.Verifier.Heal(ctx, d, t, streams)
	if err != nil {
		return err
	}
	after, histories, err := m.rowsAndStreams(ctx, t, streams)
	if err != nil {
		return err
	}
	for _, s := range streams {
		b, a := before[s], after[s]
		healed := Healed{
			Table: t.String(), Stream: s, Changed: differs(&b, &a) && !leftUnreadable(&a), From: b.Version, To: a.Version, Parked: a.Parked,
			Missing: !present(&a), Ahead: a.Ahead(histories[s]), Disputed: left.Disputed[s],
		}
		if err := f(healed); err != nil {
			return err
		}
	}
	return nil
}

// leftUnreadable reports whether a row is parked because it cannot be decoded, so that nothing was
// healed.
func leftUnreadable(row *projection.Record) bool {
	return row.Parked != nil && row.Parked.EventID == ""
}

// differs reports whether two states of a row differ in more than the attempts at a parked event or at a task.
func differs(a, b *projection.Record) bool {
	return a.Version != b.Version || !bytes.Equal(a.Data, b.Data) || a.Place != b.Place || (a.Parked == nil) != (b.Parked == nil) || !a.Task.Same(b.Task)
}

// HealParked retries every parked stream in every version that live delivery writes, as after a
// deployment that can apply the events on which the previous one failed.
func (m *ReadModels) HealParked(ctx context.Context, name string, f func(Healed) error) error {
	return m.healEachLive(ctx, name, func(d model.Projection, t projection.Table) error {
		return m.parkedPages(ctx, t, func(rows []projection.Record) error {
			streams := make([]string, len(rows))
			for i := range rows {
				streams[i] = rows[i].Stream
			}
			return m.heal(ctx, d, t, streams, f)
		})
	})
}
