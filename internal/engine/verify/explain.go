package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// ErrUnknown means that neither the event store nor any table version has the stream.
var ErrUnknown = errors.New("there are no events and there is no row of it")

// Numberer returns the numbers of a stream's events in the log.
type Numberer interface {
	// Numbers returns the event numbers of a stream's events by version; it omits events that are not in the
	// log yet.
	Numbers(ctx context.Context, stream string) (map[uint64]uint64, error)
}

// Explanation shows what a row is made from.
type Explanation struct {
	Projection string            `json:"projection"`
	Stream     string            `json:"stream"`
	Events     []ExplainedEvent  `json:"events"`
	Versions   []ExplainedByFold `json:"versions"` // one per existing table version
	// Unnumbered says why the log could not return the event numbers.
	Unnumbered string `json:"unnumbered,omitempty"`
}

// ExplainedEvent is one event of the row's stream.
type ExplainedEvent struct {
	Version       uint64          `json:"version"`
	Type          string          `json:"type"`
	Schema        int             `json:"schema"`
	EventID       string          `json:"eventId"`
	OccurredAt    event.Instant   `json:"occurredAt"`
	CorrelationID string          `json:"correlationId,omitempty"`
	CausationID   string          `json:"causationId,omitempty"`
	Actor         string          `json:"actor,omitempty"`
	Number        uint64          `json:"eventNumber,omitempty"` // number in the log, if known
	Payload       json.RawMessage `json:"payload"`
}

// ExplainedByFold shows one table version's row beside the row that its revision folds from the events.
type ExplainedByFold struct {
	Table string             `json:"table"`
	About projection.Version `json:"about"` // its state, the run that built it, its code revision
	Row   *ExplainedRow      `json:"row"`   // as stored; null if there is none
	Fold  *ExplainedRow      `json:"fold"`  // of all events; null if this program lacks the revision
	Class Class              `json:"class,omitempty"`
	Diff  []Field            `json:"differences,omitempty"` // at the row's own version
	// Behind reports whether the row lacks events that the stream has.
	Behind bool   `json:"behind,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ExplainedRow is a row, stored or folded.
type ExplainedRow struct {
	Version       uint64             `json:"version"`
	Writes        uint64             `json:"writes,omitempty"`
	Data          json.RawMessage    `json:"data,omitempty"`
	Unreadable    string             `json:"unreadable,omitempty"` // data that is not JSON
	Bucket        string             `json:"bucket,omitempty"`
	Sort          string             `json:"sort,omitempty"`
	Parked        *projection.Parked `json:"parked,omitempty"`
	Task          *projection.Task   `json:"task,omitempty"` // what the row of a process waits for
	Contributions []Contribution     `json:"contributions,omitempty"`
}

// Contribution is what a row adds to one field of a total.
type Contribution struct {
	Key    string `json:"key"`
	Field  string `json:"field"`
	Amount int64  `json:"amount"`
}

// Explain explains the row of a stream. The key may be the stream's name or what follows the prefix of the
// projection's streams, such as the id of a loan.
func (m *ReadModels) Explain(ctx context.Context, name, key string) (Explanation, error) {
	pointer, err := m.pointer(ctx, name)
	if err != nil {
		return Explanation{}, err
	}
	for _, stream := range m.streams(name, key) {
		e, found, err := m.explain(ctx, pointer, stream)
		if err != nil {
			return Explanation{}, fmt.Errorf("explaining %s: %w", stream, err)
		}
		if found {
			return e, nil
		}
	}
	return Explanation{}, fmt.Errorf("explaining %s of %s: %w", key, name, ErrUnknown)
}

// streams returns the stream names that a key may mean.
func (m *ReadModels) streams(name, key string) []string {
	streams := []string{key}
	for _, d := range m.Projections {
		if d.Name == name && d.Streams != "" {
			streams = append(streams, d.Streams+key)
			break
		}
	}
	return streams
}

func (m *ReadModels) explain(ctx context.Context, pointer projection.Pointer, stream string) (Explanation, bool, error) {
	e := Explanation{Projection: pointer.Projection, Stream: stream, Events: []ExplainedEvent{}}
	rows := make([]projection.Record, len(pointer.Versions))
	damaged := make([]error, len(pointer.Versions))
	found := false
	// Read the rows first, so that none appears to be ahead of its stream.
	for i, v := range pointer.Versions {
		records, err := m.Tables.Records(ctx, pointer.Table(v), []string{stream})
		switch {
		case errors.Is(err, projection.ErrDamaged):
			damaged[i] = err
		case err != nil && !errors.Is(err, projection.ErrNoTable):
			return e, false, err
		}
		rows[i] = records[stream]
		rows[i].Stream = stream
		found = found || present(&rows[i])
	}
	history, err := m.Streams.Load(ctx, stream, 0)
	if err != nil || !found && len(history) == 0 {
		return e, false, err
	}
	for i, v := range pointer.Versions {
		if damaged[i] != nil {
			e.Versions = append(e.Versions, ExplainedByFold{Table: pointer.Table(v).String(), About: v, Reason: damaged[i].Error()})
			continue
		}
		e.Versions = append(e.Versions, m.byFold(pointer, v, &rows[i], history))
	}
	return e, true, m.addEvents(ctx, &e, history)
}

func (m *ReadModels) addEvents(ctx context.Context, e *Explanation, history []event.Event) error {
	var numbers map[uint64]uint64
	if m.Numbers != nil {
		var err error
		if numbers, err = m.Numbers.Numbers(ctx, e.Stream); errors.Is(err, eventlog.ErrDamaged) || errors.Is(err, eventlog.ErrNoBlob) {
			e.Unnumbered = err.Error()
		} else if err != nil {
			return err
		}
	}
	for i := range history {
		h := &history[i]
		e.Events = append(e.Events, ExplainedEvent{
			Version: h.Version, Type: h.Type, Schema: h.Schema, EventID: h.ID, OccurredAt: h.OccurredAt, CorrelationID: h.CorrelationID,
			CausationID: h.CausationID, Actor: h.Actor, Number: numbers[h.Version], Payload: json.RawMessage(h.Payload),
		})
	}
	return nil
}

func (m *ReadModels) byFold(pointer projection.Pointer, v projection.Version, row *projection.Record, history []event.Event) ExplainedByFold {
	by := ExplainedByFold{Table: pointer.Table(v).String(), About: v}
	d, known := m.Projections.Revision(pointer.Projection, v.Revision)
	if present(row) {
		by.Row = explainedRow(row, nil)
		if known {
			by.Row.Contributions = contributions(contributionsOf(d, row))
		}
	}
	if !known {
		by.Reason = fmt.Sprintf("this program does not have revision %d of the fold", v.Revision)
		return by
	}
	now := event.InstantOf(m.Now())
	j := judge(d, row, history, now)
	by.Class, by.Diff, by.Behind, by.Reason = j.class, j.fields, j.behind, j.reason
	by.Fold = foldAll(d, row.Stream, history, now)
	return by
}

// foldAll folds a whole stream.
func foldAll(d model.Projection, stream string, history []event.Event, now event.Instant) *ExplainedRow {
	if !d.Folds(stream) || len(history) == 0 {
		return nil
	}
	f := projection.FoldHistory(d, history, now)
	record := f.Record(stream, 0)
	return explainedRow(&record, f.Contributions())
}

func explainedRow(r *projection.Record, cs []model.Contribution) *ExplainedRow {
	row := &ExplainedRow{
		Version: r.Version, Writes: r.Writes, Bucket: r.Place.Bucket, Sort: r.Place.Sort, Parked: r.Parked, Task: r.Task, Contributions: contributions(cs),
	}
	if json.Valid(r.Data) {
		row.Data = json.RawMessage(r.Data)
	} else {
		row.Unreadable = shorten(string(r.Data))
	}
	return row
}

func contributions(cs []model.Contribution) []Contribution {
	var all []Contribution
	for _, c := range cs {
		all = append(all, Contribution(c))
	}
	return all
}
