package replay

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// PartOptions say what a Part folds.
type PartOptions struct {
	Definition model.Projection
	Has        func(stream string) bool // which streams belong to the part; nil for all
	Until      event.Instant            // leave out events that occurred later; if zero, leave out none
	Now        event.Instant            // recorded in parked streams; the same for each attempt
}

// Part folds some of the streams of a numbered log: the work of one rebuild worker. It takes lines in
// the order of the log and returns the rows at the end. It is not safe for concurrent use.
type Part struct {
	options PartOptions
	rows    *partition
	decoder *event.Decoder
	seed    maphash.Seed
	event   event.Event
	ignored int64
	later   int64
}

// NewPart returns a Part without events. It fails for a row type that cannot be packed.
func NewPart(o PartOptions) (*Part, error) {
	rows, err := newPartition(o.Definition)
	if err != nil {
		return nil, err
	}
	return &Part{options: o, rows: rows, decoder: event.NewDecoder(), seed: maphash.MakeSeed()}, nil
}

// Add folds lines of JSON up to the number upTo; first is the number of the first line. The lines may hold
// events of other parts. The caller may reuse their memory. A line that is not an event is an error, since a
// committed log has none.
func (p *Part) Add(lines []byte, first, upTo uint64) error {
	p.decoder.Reset()
	for number := first; len(lines) > 0 && number <= upTo; number++ {
		line := lines
		if end := bytes.IndexByte(lines, '\n'); end >= 0 {
			line, lines = lines[:end], lines[end+1:]
		} else {
			lines = nil
		}
		if err := p.decoder.Decode(line, &p.event); err != nil {
			return fmt.Errorf("event %d of the log: %w", number, err)
		}
		p.apply(&p.event, number)
	}
	return nil
}

func (p *Part) apply(e *event.Event, number uint64) {
	switch {
	case !p.options.Definition.Folds(e.Stream) || p.options.Has != nil && !p.options.Has(e.Stream):
		p.ignored++
	case !p.options.Until.IsZero() && e.OccurredAt > p.options.Until:
		p.later++
	default:
		p.rows.apply(e, p.hash(e.Stream), int64(number), p.options.Now)
		p.rows.late = nil
	}
}

func (p *Part) hash(stream string) uint32 { return uint32(maphash.String(p.seed, stream)) }

// PartCounts counts what a Part has done.
type PartCounts struct {
	Rows       int   `json:"rows"`
	Applied    int64 `json:"applied"`    // events that are in the rows
	Duplicates int64 `json:"duplicates"` // repeated events
	SetAside   int64 `json:"setAside"`   // events of parked streams
	Ignored    int64 `json:"ignored"`    // events of other parts and other projections
	Later      int64 `json:"later"`      // events after PartOptions.Until
}

// Counts returns the counts so far.
func (p *Part) Counts() PartCounts {
	return PartCounts{
		Rows: p.rows.made, Applied: p.rows.applied, Duplicates: p.rows.duplicates, SetAside: p.rows.setAside,
		Ignored: p.ignored, Later: p.later,
	}
}

// Bytes estimates the memory that the rows take.
func (p *Part) Bytes() int64 { return p.rows.rows.table.Bytes() }

// Parked returns the parked streams, sorted by name.
func (p *Part) Parked() []Parked {
	parked := make([]Parked, 0, len(p.rows.parked))
	for _, s := range p.rows.parked {
		parked = append(parked, *s)
	}
	slices.SortFunc(parked, func(a, b Parked) int { return cmp.Compare(a.Stream, b.Stream) })
	return parked
}

// Gaps returns the streams that wait for a missing event, sorted by name.
func (p *Part) Gaps() []Gap {
	gaps := p.rows.gaps(func(stream string) (uint32, uint32) { return p.hash(stream), 0 })
	slices.SortFunc(gaps, func(a, b Gap) int { return strings.Compare(a.Stream, b.Stream) })
	return gaps
}

// Bulk returns the rows and totals for a sink, under the part's name. No events may be added afterwards. It
// leaves out rows that totals have no room for; once Rows has been read, leftOut returns their streams, which
// are to be folded again from the event store, event by event.
func (p *Part) Bulk(name string) (bulk projection.BulkPart, leftOut func() []string) {
	p.rows.rows.closeAll()
	var sums map[model.Contribution]int64
	var large []string
	return projection.BulkPart{
		Name: name,
		Rows: func(yield func(projection.Record, error) bool) {
			sums, large = map[model.Contribution]int64{}, nil
			p.records(sums, &large)(yield)
		},
		Totals: func() []model.Contribution { return sorted(sums) },
	}, func() []string { return large }
}

// records returns the rows in the order of their first events, so that a store which keeps that order has the
// rows of a day near each other, then the parked streams that have no row. It adds the contributions to sums,
// and the streams of rows that sums have no room for to large.
func (p *Part) records(sums map[model.Contribution]int64, large *[]string) iter.Seq2[projection.Record, error] {
	return func(yield func(projection.Record, error) bool) {
		row := p.options.Definition.NewRow()
		for _, at := range p.rows.places(0) {
			r := p.rows.read(p.rows.rows.table.At(at.ref), row)
			if addContributions(sums, r.Row) != nil {
				*large = append(*large, strings.Clone(r.Stream))
				continue
			}
			if !yield(r.Record(), nil) {
				return
			}
		}
		for _, s := range p.Parked() {
			if s.Version > 0 {
				continue
			}
			parked := s.Parked
			if !yield(projection.Record{Stream: s.Stream, Writes: 1, Parked: &parked}, nil) {
				return
			}
		}
	}
}

// addContributions adds what a row contributes, unless sums have no room for it.
func addContributions(sums map[model.Contribution]int64, row model.Row) error {
	all := row.Contributions()
	if err := projection.CheckAmounts(all); err != nil {
		return err
	}
	for _, c := range all {
		sums[model.Contribution{Key: c.Key, Field: c.Field}] += c.Amount
	}
	return nil
}

// sorted returns the sums by key and field, without zeros.
func sorted(sums map[model.Contribution]int64) []model.Contribution {
	totals := make([]model.Contribution, 0, len(sums))
	for c, amount := range sums {
		if amount != 0 {
			totals = append(totals, model.Contribution{Key: c.Key, Field: c.Field, Amount: amount})
		}
	}
	slices.SortFunc(totals, func(a, b model.Contribution) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Field, b.Field))
	})
	return totals
}
