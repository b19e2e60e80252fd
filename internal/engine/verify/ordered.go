package verify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// ordered is the stores of a pass, if they keep names sorted: streams, rows and an older version's rows are
// then read side by side, without look-ups. The rows are as of one moment before their streams are read.
type ordered struct {
	streams eventstore.Ranger
	rows    projection.Snapshot
	older   *ahead // nil if there is no older version to compare with
}

// stretch is the rows between two names. Their streams have yet to be read.
type stretch struct {
	rows, older []projection.Record
	after, upTo string
}

// How much is read at once; a page of rows usually has at most that many events.
const (
	stretchRows   = 2000
	stretchEvents = 20_000
)

// inOrder opens the stores for a pass over the whole table. It returns nil if they do not keep names sorted,
// or if most of what is read would not be used.
func (p *pass) inOrder(ctx context.Context) (*ordered, error) {
	tables, ok := p.Tables.(projection.Snapshotter)
	streams, inOrder := p.Streams.(eventstore.Ranger)
	if !ok || !inOrder || p.options.Part.Count > 1 || p.sampled() {
		return nil, nil
	}
	o := &ordered{streams: streams}
	var err error
	if o.rows, err = tables.Snapshot(ctx, p.table); err != nil {
		return nil, err
	}
	if p.findings.Exact, err = o.rows.Totals(ctx); err != nil {
		return nil, errors.Join(err, o.close())
	}
	if p.comparing == nil {
		return o, nil
	}
	older, err := tables.Snapshot(ctx, *p.options.Against)
	if err == nil {
		o.older = &ahead{from: older}
	} else if err = p.comparing.without(p.reading(*p.options.Against, err)); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

func (o *ordered) close() error {
	err := o.rows.Close()
	if o.older != nil {
		err = errors.Join(err, o.older.from.Close())
	}
	return err
}

// next reads a page of rows, and the older version's rows up to the page's end.
func (p *pass) next(ctx context.Context, o *ordered, after string) (s stretch, upTo string, err error) {
	s.after = after
	if s.rows, s.upTo, err = o.rows.Scan(ctx, after, stretchRows); err != nil || o.older == nil {
		return s, s.upTo, err
	}
	filled, err := o.older.fill(ctx, s.upTo)
	if err != nil {
		err = errors.Join(p.comparing.without(p.reading(*p.options.Against, err)), o.older.from.Close())
		o.older = nil
		return s, s.upTo, err
	}
	s.upTo = filled
	s.rows, s.older = s.rows[:end(s.rows, s.upTo)], o.older.take(s.upTo)
	return s, s.upTo, nil
}

// end returns how many of the rows have names up to upTo.
func end(rows []projection.Record, upTo string) int {
	n := 0
	for n < len(rows) && (upTo == "" || rows[n].Stream <= upTo) {
		n++
	}
	return n
}

// ahead reads a snapshot in pages, ahead of the rows that are taken.
type ahead struct {
	from   projection.Snapshot
	rows   []projection.Record
	cursor string
	ended  bool
}

// maxAhead bounds the rows that are read ahead, since an older version may have many more of them.
const maxAhead = 4 * stretchRows

// fill reads the rows up to a name, or all if it is "". It returns the name up to which it has the rows.
func (a *ahead) fill(ctx context.Context, upTo string) (string, error) {
	for !a.ended && end(a.rows, upTo) == len(a.rows) {
		if len(a.rows) >= maxAhead {
			return a.rows[len(a.rows)-1].Stream, nil
		}
		page, cursor, err := a.from.Scan(ctx, a.cursor, stretchRows)
		if err != nil {
			return "", err
		}
		a.rows, a.cursor, a.ended = append(a.rows, page...), cursor, cursor == ""
	}
	return upTo, nil
}

// take returns the rows up to a name and removes them.
func (a *ahead) take(upTo string) []projection.Record {
	n := end(a.rows, upTo)
	taken := a.rows[:n:n]
	a.rows = a.rows[n:]
	return taken
}

// compareStretch compares a stretch's rows with the older ones and with their streams, which it reads, and
// finds streams without a row.
func (p *pass) compareStretch(ctx context.Context, streams eventstore.Ranger, s stretch) error {
	if p.comparing != nil {
		p.comparing.merge(s.older, s.rows)
	}
	rows := p.present(s.rows)
	for after := s.after; ; {
		events, next, err := streams.Range(ctx, after, s.upTo, stretchEvents)
		if err != nil {
			return err
		}
		n := len(rows)
		if next != "" {
			n = end(rows, next)
		}
		if err := p.compareStreams(ctx, rows[:n], events); err != nil || next == "" {
			return err
		}
		rows, after = rows[n:], next
	}
}

// compareStreams compares rows with the streams between the same names.
func (p *pass) compareStreams(ctx context.Context, rows []projection.Record, events []event.Event) error {
	page, histories := newFindings("", 0), eventstore.ByStream(events)
	there := make(map[string]bool, len(rows))
	for i := range rows {
		there[rows[i].Stream] = true
	}
	var missing []string
	for stream := range histories {
		if !p.definition.Folds(stream) {
			continue
		}
		page.Streams++
		if !there[stream] {
			missing = append(missing, stream)
		}
	}
	slices.Sort(missing)
	waiting := p.missing(missing, histories)
	behind, err := p.judgeRows(ctx, rows, histories, page)
	if err != nil {
		return err
	}
	return p.add(ctx, page, append(waiting, behind...))
}

// merge compares two versions' rows of the same stretch.
func (c *comparing) merge(older, newer []projection.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum.Unreadable != "" {
		return
	}
	var none projection.Record
	for len(older) > 0 || len(newer) > 0 {
		old, new := &none, &none
		compared := 0
		switch {
		case len(newer) == 0:
			compared = -1
		case len(older) == 0:
			compared = 1
		default:
			compared = strings.Compare(older[0].Stream, newer[0].Stream)
		}
		if compared <= 0 {
			old, older = &older[0], older[1:]
		}
		if compared >= 0 {
			new, newer = &newer[0], newer[1:]
		}
		if old.Visible() {
			c.old(old, new)
		}
		if new.Visible() {
			c.new(new, old)
		}
	}
}
