package verify

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// pass is one verification of one part of a table.
type pass struct {
	*Verifier
	definition model.Projection
	table      projection.Table
	options    Options
	salt       uint64                 // selects the sample
	sure       atomic.Pointer[string] // a stream that is always in the sample, so that no sample is empty

	comparing *comparing // with an older version; nil if not requested

	mu       sync.Mutex
	findings *Findings
	waiting  []suspect
}

// suspect is a stream whose row was behind or missing at the first look.
type suspect struct {
	stream string
	want   uint64 // the stream's version; 0 if it had no events
	at     time.Time
	noRow  bool // there was no row, so it has not been compared
}

func newPass(v *Verifier, d model.Projection, t projection.Table, o Options) *pass {
	p := &pass{Verifier: v, definition: d, table: t, options: o, salt: uint64(v.Now().UnixNano()), findings: newFindings(t.String(), o.Sample)}
	if o.Against != nil {
		p.comparing = &comparing{}
	}
	return p
}

func (p *pass) run(ctx context.Context) error {
	if err := p.walk(ctx); err != nil {
		return err
	}
	if err := p.lookAgain(ctx); err != nil {
		return err
	}
	sortProblems(p.findings.Problems)
	return p.conclude(ctx)
}

// walk visits the streams and the rows: side by side if the stores keep names sorted, else one after the
// other. In the latter case it looks up the streams' rows before it compares rows: a row that is written in
// between is then known to have been missing. In the opposite sequence it would be neither compared nor known
// as missing.
func (p *pass) walk(ctx context.Context) (err error) {
	stores, err := p.inOrder(ctx)
	if err != nil {
		return err
	}
	if stores != nil {
		defer func() { err = errors.Join(err, stores.close()) }()
		return walk(ctx, p.workers(), func(ctx context.Context, after string) (stretch, string, error) {
			return p.next(ctx, stores, after)
		}, func(ctx context.Context, s stretch) error { return p.compareStretch(ctx, stores.streams, s) })
	}
	if err := p.streams(ctx); err != nil {
		return err
	}
	if err := walk(ctx, p.workers(), rowsOf(p.Tables, p.table, p.options.Part), p.comparePage); err != nil {
		return err
	}
	return p.compareVersions(ctx)
}

func (p *pass) sampled() bool { return p.options.Sample > 0 && p.options.Sample < 1 }

// chosen reports whether a stream is in the sample.
func (p *pass) chosen(stream string) bool {
	if !p.sampled() {
		return true
	}
	x := (eventlog.HashOf(stream) ^ p.salt) * 0x9e3779b97f4a7c15
	return float64(x>>11)/(1<<53) < math.Min(p.options.Sample, 1) || p.surely(stream)
}

// surely reports whether the stream is the first that was not selected at random.
func (p *pass) surely(stream string) bool {
	if first := p.sure.Load(); first != nil {
		return *first == stream
	}
	own := strings.Clone(stream)
	return p.sure.CompareAndSwap(nil, &own) || *p.sure.Load() == stream
}

// comparePage compares rows with their streams.
func (p *pass) comparePage(ctx context.Context, rows []projection.Record) error {
	page, kept := newFindings("", 0), p.present(rows)
	histories, err := p.Streams.LoadMany(ctx, streamsOf(kept))
	if err != nil {
		return err
	}
	behind, err := p.judgeRows(ctx, kept, histories, page)
	if err != nil {
		return err
	}
	return p.add(ctx, page, behind)
}

// present keeps the rows to be compared. It overwrites the slice.
func (p *pass) present(rows []projection.Record) []projection.Record {
	kept := rows[:0]
	for i := range rows {
		if present(&rows[i]) && p.chosen(rows[i].Stream) {
			kept = append(kept, rows[i])
		}
	}
	return kept
}

// judgeRows compares rows with their streams, which were read after them, and heals wrong ones. It returns
// those that need a second look: they are behind, or have no stream.
func (p *pass) judgeRows(ctx context.Context, rows []projection.Record, histories map[string][]event.Event, page *Findings) (behind []suspect, err error) {
	var wrong []Problem
	now := p.Now()
	for i := range rows {
		row, history := &rows[i], histories[rows[i].Stream]
		j := judge(p.definition, row, history, event.InstantOf(now))
		page.Rows++
		page.Events += int64(len(history))
		page.Sums.addAll(j.folds)
		switch {
		case j.noStream():
			behind = append(behind, suspect{stream: row.Stream, at: now})
		case j.class != "":
			wrong = append(wrong, problemOf(row, uint64(len(history)), &j))
		case j.behind:
			behind = append(behind, suspect{stream: row.Stream, want: uint64(len(history)), at: now})
		}
		if row.Parked != nil && j.class == "" {
			page.Parked++
		}
	}
	return behind, p.settleProblems(ctx, wrong, page)
}

// add merges the findings of a page.
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

// streams finds the part's streams that have no row.
func (p *pass) streams(ctx context.Context) error {
	return walk(ctx, p.workers(), func(ctx context.Context, cursor string) ([]string, string, error) {
		return p.Streams.Streams(ctx, p.options.Part, cursor, pageSize)
	}, p.lookFor)
}

// lookFor looks up the rows of streams.
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
	histories, err := p.Streams.LoadMany(ctx, missing)
	if err != nil {
		return err
	}
	return p.add(ctx, page, p.missing(missing, histories))
}

// missing returns streams without a row as suspects for a second look. It records the length of each stream
// now, since a row that is written later may still lack some of its events.
func (p *pass) missing(streams []string, histories map[string][]event.Event) []suspect {
	waiting := make([]suspect, len(streams))
	now := p.Now()
	for i, name := range streams {
		waiting[i] = suspect{strings.Clone(name), uint64(len(histories[name])), now, true}
	}
	return waiting
}
