package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"gakushoku/internal/engine/projection"
)

// Comparison is what one part of a rebuild changes for readers: the rows visible to them, old against new.
type Comparison struct {
	Same    int64 `json:"same"`
	Changed int64 `json:"changed"`
	OnlyOld int64 `json:"onlyOld"`
	OnlyNew int64 `json:"onlyNew"`
	Moving  int64 `json:"moving"` // at different versions, because live delivery is writing them

	Examples []Changed `json:"examples,omitempty"` // a few of the changed rows

	// Unreadable says why no rows were compared: the older version is missing or damaged, which may be the
	// very reason for building the newer one.
	Unreadable string `json:"unreadable,omitempty"`
}

// Changed is a row whose contents differ in the new version.
type Changed struct {
	Stream  string        `json:"stream"`
	Version uint64        `json:"version"` // version of the last event in both
	Fields  []FieldChange `json:"fields"`
}

// FieldChange is one changed part of a row; its names are those of Field.
type FieldChange struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// maxExamples bounds the rows that are described in detail.
const maxExamples = 10

// compareVersions compares the table's visible rows with those of the older version, by looking up each
// version's rows in the other.
func (p *pass) compareVersions(ctx context.Context) error {
	if p.comparing == nil {
		return nil
	}
	older, newer := *p.options.Against, p.table
	for _, way := range []struct {
		of, in projection.Table
		count  func(row, other *projection.Record)
	}{{older, newer, p.comparing.old}, {newer, older, p.comparing.new}} {
		read := rowsOf(p.Tables, way.of, p.options.Part)
		err := walk(ctx, p.workers(), func(ctx context.Context, cursor string) ([]projection.Record, string, error) {
			rows, next, err := read(ctx, cursor)
			return rows, next, p.reading(way.of, err)
		}, func(ctx context.Context, rows []projection.Record) error {
			others, err := p.Tables.Records(ctx, way.in, streamsOf(rows))
			if err != nil {
				return p.reading(way.in, err)
			}
			p.comparing.page(rows, others, way.count)
			return nil
		})
		if err = p.comparing.without(err); err != nil {
			return fmt.Errorf("comparing %s with %s: %w", way.of, way.in, err)
		}
	}
	return nil
}

// unreadable is the error for an older version that is missing or damaged.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// reading wraps an error of reading a table as unreadable if it means that the older version cannot be read
// by any attempt.
func (p *pass) reading(t projection.Table, err error) error {
	if t == *p.options.Against && (errors.Is(err, projection.ErrNoTable) || errors.Is(err, projection.ErrDamaged)) {
		return unreadable{err}
	}
	return err
}

// without continues without the comparison if err says that the older version cannot be read. It returns any
// other error.
func (c *comparing) without(err error) error {
	var older unreadable
	if !errors.As(err, &older) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum, c.onlyOld, c.onlyNew = Comparison{Unreadable: older.Error()}, nil, nil
	return nil
}

// conclude puts the outcome of the comparison into the findings.
func (p *pass) conclude(ctx context.Context) error {
	if p.comparing == nil {
		return nil
	}
	err := p.lookForLate(ctx, p.comparing, *p.options.Against, p.table)
	if err = p.comparing.without(err); err != nil {
		return fmt.Errorf("comparing with %s: %w", p.options.Against, err)
	}
	p.findings.Comparison = &p.comparing.sum
	return nil
}

// lookForLate checks again the rows that only one version has. Live delivery writes one version after the
// other, so a new row is in both a moment later. If there are many such rows, delivery is not the cause and
// they are not checked again.
func (p *pass) lookForLate(ctx context.Context, c *comparing, older, newer projection.Table) error {
	if n := c.sum.OnlyOld + c.sum.OnlyNew; n == 0 || n > pageSize {
		return nil
	}
	if err := p.sleep(ctx, p.LagBound); err != nil {
		return err
	}
	for _, side := range []struct {
		other   projection.Table
		streams []string
		only    *int64
	}{{newer, c.onlyOld, &c.sum.OnlyOld}, {older, c.onlyNew, &c.sum.OnlyNew}} {
		if len(side.streams) == 0 {
			continue
		}
		found, err := p.Tables.Records(ctx, side.other, side.streams)
		if err != nil {
			return p.reading(side.other, err)
		}
		for _, r := range found {
			if r.Visible() {
				*side.only--
				c.sum.Moving++
			}
		}
	}
	return nil
}

// comparing counts how two versions differ. It does not judge which version is right.
type comparing struct {
	mu  sync.Mutex
	sum Comparison

	onlyOld, onlyNew []string // the first of these streams
}

// page counts one table's visible rows against the other table's rows of the same streams.
func (c *comparing) page(rows []projection.Record, others map[string]projection.Record, count func(row, other *projection.Record)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum.Unreadable != "" {
		return
	}
	for i := range rows {
		if !rows[i].Visible() {
			continue
		}
		found := others[rows[i].Stream]
		count(&rows[i], &found)
	}
}

func (c *comparing) old(row, other *projection.Record) {
	switch {
	case !other.Visible():
		c.sum.OnlyOld++
		c.onlyOld = remember(c.onlyOld, row.Stream)
	case row.Version != other.Version:
		c.sum.Moving++
	case bytes.Equal(row.Data, other.Data) && row.Place == other.Place:
		c.sum.Same++
	default:
		c.sum.Changed++
		if len(c.sum.Examples) < maxExamples {
			c.sum.Examples = append(c.sum.Examples, changed(row, other))
		}
	}
}

// changed returns in what two rows of the same stream version differ.
func changed(old, new *projection.Record) Changed {
	c := Changed{Stream: old.Stream, Version: old.Version}
	for _, f := range differences(old, new) {
		c.Fields = append(c.Fields, FieldChange{Name: f.Name, Old: f.Row, New: f.Fold})
	}
	return c
}

func (c *comparing) new(row, other *projection.Record) {
	if !other.Visible() {
		c.sum.OnlyNew++
		c.onlyNew = remember(c.onlyNew, row.Stream)
	}
}

func remember(streams []string, stream string) []string {
	if len(streams) >= pageSize {
		return streams
	}
	return append(streams, stream)
}
