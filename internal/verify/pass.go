package verify

import (
	"context"
	"errors"
	"hash/fnv"
	"math"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
)

// pass is one verification of one part of a table.
type pass struct {
	*Verifier
	definition projection.Definition
	table      projection.Table
	options    Options
	salt       uint64 // chooses the sample

	mu       sync.Mutex
	findings *Findings
	waiting  []suspect
}

// suspect is a stream whose row was behind it at the first look.
type suspect struct {
	stream string
	want   uint64 // the version that the stream had
	at     time.Time
}

func newPass(v *Verifier, d projection.Definition, t projection.Table, o Options) *pass {
	return &pass{Verifier: v, definition: d, table: t, options: o, salt: uint64(v.Now().UnixNano()), findings: newFindings(t.String(), o.Sample)}
}

// run looks for the streams' rows before it compares rows: one that comes up in between is then
// known to have been missing. The other way round it would be neither compared nor missing.
func (p *pass) run(ctx context.Context) error {
	if err := p.streams(ctx); err != nil {
		return err
	}
	if err := p.rows(ctx); err != nil {
		return err
	}
	if err := p.lookAgain(ctx); err != nil {
		return err
	}
	sortProblems(p.findings.Problems)
	return nil
}

// rows compares the rows with their streams.
func (p *pass) rows(ctx context.Context) (err error) {
	read, end, err := p.source(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	return walk(ctx, p.workers(), read, p.comparePage)
}

// source is a snapshot of the table when the store keeps one and the part is everything, so
// that the totals are those of the rows. end gives it back.
func (p *pass) source(ctx context.Context) (read reading[projection.Record], end func() error, err error) {
	snapshots, ok := p.Tables.(projection.Snapshotter)
	if !ok || p.options.Part.Count > 1 || p.sampled() {
		return rowsOf(p.Tables, p.table, p.options.Part), func() error { return nil }, nil
	}
	s, err := snapshots.Snapshot(ctx, p.table)
	if err != nil {
		return nil, nil, err
	}
	if p.findings.Exact, err = s.Totals(ctx); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return snapshotOf(s), s.Close, nil
}

func (p *pass) sampled() bool { return p.options.Sample > 0 && p.options.Sample < 1 }

// chosen reports whether a stream is in the sample.
func (p *pass) chosen(stream string) bool {
	if !p.sampled() {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(stream)) //nolint:errcheck // it cannot fail
	x := (h.Sum64() ^ p.salt) * 0x9e3779b97f4a7c15
	return float64(x>>11)/(1<<53) < math.Min(p.options.Sample, 1)
}

// comparePage compares rows, and heals those that are wrong.
func (p *pass) comparePage(ctx context.Context, rows []projection.Record) error {
	page := newFindings("", 0)
	var wrong []Problem
	var waiting []suspect
	kept := rows[:0]
	for i := range rows {
		if present(&rows[i]) && p.chosen(rows[i].Stream) {
			kept = append(kept, rows[i])
		}
	}
	histories, err := p.Streams.LoadMany(ctx, streamsOf(kept))
	if err != nil {
		return err
	}
	now := p.Now()
	for i := range kept {
		row, history := &kept[i], histories[kept[i].Stream]
		j, err := judge(p.definition, row, history, event.InstantOf(now))
		if err != nil {
			return err
		}
		page.Rows++
		page.Events += int64(len(history))
		page.Sums.addAll(j.folds)
		switch {
		case j.class != "":
			wrong = append(wrong, problemOf(row, uint64(len(history)), &j))
		case j.behind:
			waiting = append(waiting, suspect{row.Stream, uint64(len(history)), now})
		}
		if row.Parked != nil && j.class == "" {
			page.Parked++
		}
	}
	if err := p.settleProblems(ctx, wrong, page); err != nil {
		return err
	}
	return p.add(ctx, page, waiting)
}

// add takes over what a page has shown.
func (p *pass) add(ctx context.Context, page *Findings, waiting []suspect) error {
	p.mu.Lock()
	p.findings.merge(page)
	p.waiting = append(p.waiting, waiting...)
	var full []suspect
	if len(p.waiting) >= maxWaiting {
		full, p.waiting = p.waiting, nil
	}
	if p.options.Progress != nil {
		f := p.findings
		p.options.Progress(Progress{Rows: f.Rows, Events: f.Events, Streams: f.Streams, Waiting: len(p.waiting), Problems: f.problems()})
	}
	p.mu.Unlock()
	return p.secondLook(ctx, full)
}

// streams finds the streams of the part that have no row.
func (p *pass) streams(ctx context.Context) error {
	return walk(ctx, p.workers(), func(ctx context.Context, cursor string) ([]string, string, error) {
		return p.Streams.Streams(ctx, p.options.Part, cursor, pageSize)
	}, p.lookFor)
}

// lookFor looks for the rows of streams.
func (p *pass) lookFor(ctx context.Context, names []string) error {
	page := newFindings("", 0)
	kept := names[:0]
	for _, name := range names {
		if p.definition.Folds(name) && p.chosen(name) {
			kept = append(kept, name)
		}
	}
	page.Streams = int64(len(kept))
	rows, err := p.Tables.Records(ctx, p.table, kept)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(kept, func(name string) bool {
		row := rows[name]
		return present(&row)
	})
	if len(missing) == 0 {
		return p.add(ctx, page, nil)
	}
	// How long a stream is has to be known now: a row that comes up later may still lack some of it.
	histories, err := p.Streams.LoadMany(ctx, missing)
	if err != nil {
		return err
	}
	waiting := make([]suspect, len(missing))
	now := p.Now()
	for i, name := range missing {
		waiting[i] = suspect{name, uint64(len(histories[name])), now}
	}
	return p.add(ctx, page, waiting)
}
