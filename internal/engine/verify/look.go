package verify

import (
	"context"
	"slices"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
)

// lookAgain gives every waiting stream its second look.
func (p *pass) lookAgain(ctx context.Context) error {
	waiting := p.waiting
	p.waiting = nil
	return p.secondLook(ctx, waiting)
}

// secondLook checks rows again that were behind, after all of them have had the lag bound to be updated.
func (p *pass) secondLook(ctx context.Context, waiting []suspect) error {
	if len(waiting) == 0 {
		return nil
	}
	waiting = eachOnce(waiting)
	latest := waiting[0].at
	for _, s := range waiting {
		if s.at.After(latest) {
			latest = s.at
		}
	}
	if d := latest.Add(p.LagBound).Sub(p.Now()); d > 0 {
		if err := p.sleep(ctx, d); err != nil {
			return err
		}
	}
	lost, err := p.lostStreams(ctx, waiting)
	if err != nil {
		return err
	}
	for len(waiting) > 0 {
		some := waiting[:min(len(waiting), pageSize)]
		waiting = waiting[len(some):]
		if err := p.lookAgainAt(ctx, some, lost); err != nil {
			return err
		}
	}
	return nil
}

// eachOnce keeps one suspect per stream: a row that was first missing and then written may also have been
// behind.
func eachOnce(waiting []suspect) []suspect {
	slices.SortStableFunc(waiting, func(a, b suspect) int { return strings.Compare(a.stream, b.stream) })
	kept := waiting[:1]
	for _, s := range waiting[1:] {
		if last := &kept[len(kept)-1]; last.stream == s.stream {
			last.want, last.at, last.noRow = max(last.want, s.want), s.at, last.noRow && s.noRow
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

func (p *pass) lookAgainAt(ctx context.Context, some []suspect, lost lostStreams) error {
	streams := make([]string, len(some))
	for i, s := range some {
		streams[i] = s.stream
	}
	looks, err := p.look(ctx, streams)
	if err != nil {
		return err
	}
	page := newFindings("", 0)
	var wrong []Problem
	for i := range looks {
		l := &looks[i]
		l.late(some[i].want)
		if some[i].noRow && present(&l.row) {
			page.Rows++
			page.Events += int64(l.length)
		}
		if l.noStream() {
			lost.judge(&l.judgement, l.row.Stream)
		}
		if l.class != "" {
			wrong = append(wrong, problemOf(&l.row, l.length, &l.judgement))
		}
	}
	if err := p.settleProblems(ctx, wrong, page); err != nil {
		return err
	}
	return p.add(ctx, page, nil)
}

// lostStreams tells streams whose events the event store has lost from streams that never had any.
type lostStreams struct {
	never map[string]bool // streams that never had events, according to the log
	doubt string          // why the log cannot tell
}

// lostStreams asks the log about the suspects that had no events.
func (p *pass) lostStreams(ctx context.Context, waiting []suspect) (lostStreams, error) {
	lost := lostStreams{never: map[string]bool{}}
	var without []string
	for _, s := range waiting {
		if s.want == 0 {
			without = append(without, s.stream)
			lost.never[s.stream] = true
		}
	}
	if p.Log == nil || len(without) == 0 {
		return lost, nil
	}
	held, err := p.Log.Holding(ctx, without)
	if err != nil {
		if fault.ClassOf(err) == fault.Infra || ctx.Err() != nil {
			return lost, err
		}
		lost.doubt = "the log cannot tell whether the event store has lost the stream: " + err.Error()
	}
	for stream := range held {
		delete(lost.never, stream)
	}
	return lost, nil
}

// judge judges a row without a stream: it is ahead if the log has events of the stream, or if the event store
// had some a moment ago.
func (l *lostStreams) judge(j *judgement, stream string) {
	switch {
	case !l.never[stream]:
		j.class, j.reason = Ahead, lostEvents
	case l.doubt != "":
		j.reason = l.doubt
	}
}

// looked is a row, the length of its stream, and the judgement.
type looked struct {
	judgement
	row    projection.Record
	length uint64
}

// look reads rows, then their streams, and judges each row.
func (p *pass) look(ctx context.Context, streams []string) ([]looked, error) {
	rows, err := p.Tables.Records(ctx, p.table, streams)
	if err != nil {
		return nil, err
	}
	histories, err := p.Streams.LoadMany(ctx, streams)
	if err != nil {
		return nil, err
	}
	looks := make([]looked, len(streams))
	for i, stream := range streams {
		l := &looks[i]
		l.row, l.length = rows[stream], uint64(len(histories[stream]))
		l.row.Stream = stream
		l.judgement = judge(p.definition, &l.row, histories[stream], p.now())
	}
	return looks, nil
}

// late classifies a row that is right at its version but still lacks events that its stream had at an earlier
// look.
func (l *looked) late(want uint64) {
	if l.class != "" || l.row.Parked != nil || l.row.Version >= want {
		return
	}
	switch {
	case !present(&l.row):
		l.class = Missing
	default:
		l.class = Stale
		if l.parks != nil { // it lacks an event that will park its stream
			l.fields = append(l.fields, parkedField(nil, l.parks))
		}
	}
}

func problemOf(row *projection.Record, length uint64, j *judgement) Problem {
	problem := Problem{
		Class: j.class, Stream: row.Stream, RowVersion: row.Version, StreamVersion: length,
		Fields: j.fields, Reason: j.reason,
	}
	if j.event != nil {
		// Clone the ids, so that they do not keep the event's page in memory.
		problem.EventID, problem.CorrelationID = strings.Clone(j.event.ID), strings.Clone(j.event.CorrelationID)
	}
	return problem
}
