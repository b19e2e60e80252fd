package logcheck

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Options say how far a verification goes.
type Options struct {
	// Deep reads every object and every stream of the store, and compares them.
	Deep bool
	// Fix appends to the log what the store has and the log has not, and writes manifests that
	// are missing beside their segments, or are not the ledger's although the segment is.
	Fix bool
	// Progress is told now and then how far a deep verification has come; it may be nil.
	Progress func(Progress)
}

// Progress is how far a deep verification has come.
type Progress struct {
	Part, Parts int    // of the log; each is read and then compared with the store
	Read        uint64 // events of the log that were read so far
	Compared    uint64 // events of the store
	Problems    int
}

// Verify compares a log with itself: its numbers are dense, each segment's object is there and
// its manifest is beside it. A deep verification also reads every object against its digest and
// decodes every line, and compares the log with the store, stream by stream. It may run while
// events come in: what is only on its way into the log is waited for. An error says that it
// could not be told.
func (l *Log) Verify(ctx context.Context, o Options) (*Report, error) {
	started := l.Now()
	v := &verification{Log: l, fix: o.Fix, tell: o.Progress, report: &Report{Deep: o.Deep, At: event.InstantOf(started)}}
	err := l.needs(o.Deep)
	if err == nil {
		v.blocked, err = l.catchUp(ctx)
	}
	if err == nil {
		err = v.structure(ctx)
	}
	if err == nil && o.Deep {
		err = v.content(ctx)
	}
	if err == nil {
		err = l.misfit(ctx, &v.report.Findings)
	}
	if err == nil && v.report.Total() == 0 {
		err = v.blocked
	}
	if err != nil {
		return nil, fmt.Errorf("verifying the log: %w", err)
	}
	v.report.conclude()
	v.report.DurationMs = l.Now().Sub(started).Milliseconds()
	return v.report, nil
}

// ErrNotThere says that the log or the event store cannot be read, so nothing can be compared.
var ErrNotThere = errors.New("there is nothing to compare with")

// needs wants the log to be there, and for a deep verification the store.
func (l *Log) needs(deep bool) error {
	switch {
	case l.Ledger == nil:
		return fmt.Errorf("%w: the log cannot be read", ErrNotThere)
	case deep && l.Store == nil:
		return fmt.Errorf("%w: the event store cannot be read; without --deep the log is compared with itself", ErrNotThere)
	}
	return nil
}

// verification is one run of Verify.
type verification struct {
	*Log
	fix    bool
	tell   func(Progress)
	at     Progress
	report *Report
	// unsure says why nobody can tell what is missing in the log; "" when it can be told.
	unsure  string
	blocked error // why the log could not be brought up to date
}

// content reads the log and the store, part by part.
func (v *verification) content(ctx context.Context) error {
	parts := v.parts(v.report.Head.Number)
	for _, p := range parts {
		v.at.Part, v.at.Parts = p.index+1, len(parts)
		if err := v.compare(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// progress tells how far it has come.
func (v *verification) progress() {
	if v.tell == nil {
		return
	}
	v.at.Read, v.at.Compared, v.at.Problems = v.report.Read, v.report.Events, v.report.Total()
	v.tell(v.at)
}

// compare reads a part of the log and of the store.
func (v *verification) compare(ctx context.Context, p part) error {
	head, err := v.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	held := newIndex(p)
	if p.index == 0 {
		err = v.readObjects(ctx, held, head.Number)
	} else {
		err = v.readFrames(ctx, held, head.Number)
	}
	if err != nil {
		return err
	}
	c := &comparison{verification: v, held: held, seen: head.Number, late: map[eventKey]lateEvent{}}
	return c.run(ctx)
}

// readFrames takes the events of a part from the log. What is wrong with the log was found when
// the whole objects were read.
func (v *verification) readFrames(ctx context.Context, held *index, upTo uint64) error {
	var e event.Event
	return v.frames(ctx, held.part, 0, upTo, v.again, func(f eventlog.Frame, lines []byte) error {
		return eachLine(lines, f.First, func(number uint64, line []byte) error {
			if event.Decode(line, &e) == nil && held.part.has(e.Stream) {
				v.take(held, number, &e)
			}
			return nil
		})
	})
}

// again keeps an error of a frame that is read once more, or for the first time at the end of a
// verification, unless it is known that some of the log cannot be read: what the frame holds would
// be taken to be missing.
func (v *verification) again(err error) error {
	if v.unsure == "" {
		return err
	}
	return couldNotTell(err)
}

// take puts an event of the log into the index.
func (v *verification) take(held *index, number uint64, e *event.Event) {
	p := Problem{Kind: EventDiffers, Number: number, Stream: e.Stream, Version: e.Version, EventID: e.ID}
	switch held.add(e) {
	case repeated:
		v.report.Repeats++
	case contradicted:
		p.Detail = "the log has another event of this stream and version before it"
		v.report.add(p)
	case impossible:
		p.Kind, p.Detail = LineUnreadable, "no stream has such a version"
		v.report.add(p)
	case added:
	}
}
