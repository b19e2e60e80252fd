package logcheck

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/event"
)

// Options say how far a verification goes.
type Options struct {
	// Deep reads every object and every stream of the store, and compares them.
	Deep bool
	// Fix appends events to the log that only the store has, and writes manifests that are missing beside
	// their segments, or that differ from the ledger's although the segment matches it.
	Fix bool
	// AsIs leaves the log as it is: what is not archived yet is counted, not archived first. Fix has no effect.
	AsIs bool
	// Progress is called now and then with the progress of a deep verification; it may be nil.
	Progress func(Progress)
}

// Progress is how far a deep verification has come.
type Progress struct {
	Part, Parts int    // parts of the log; each is read, then compared with the store
	Read        uint64 // events of the log read so far
	Compared    uint64 // events of the store compared so far
	Problems    int
}

// Verify compares a log with itself: its numbers are dense, and each segment's object exists with its
// manifest beside it. A deep verification also checks every object's digest, decodes every line, and compares
// the log with the store, stream by stream. It may run while events come in, since it waits for events on
// their way into the log. An error means that the verification could not be completed.
func (l *Log) Verify(ctx context.Context, o Options) (*Report, error) {
	started := l.Now()
	own := *l
	v := &verification{Log: &own, fix: o.Fix && !o.AsIs, asIs: o.AsIs, tell: o.Progress, report: &Report{Deep: o.Deep, At: event.InstantOf(started)}}
	err := l.needs(o.Deep)
	if err == nil {
		err = v.sealed(ctx)
	}
	if o.AsIs {
		own.CatchUp = nil
	}
	if err == nil { // a log that contradicts its checkpoints takes in nothing
		v.blocked, err = v.catchUp(ctx)
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

// ErrNotThere means that the log or the event store cannot be read, so they cannot be compared.
var ErrNotThere = errors.New("there is nothing to compare with")

// sealed compares the log with its signed checkpoints. If it contradicts them, nothing is fixed: the event
// store or the ledger, from which the log would be mended, may have been changed together with it.
func (v *verification) sealed(ctx context.Context) error {
	if v.Sealed == nil {
		return nil
	}
	r, err := v.Sealed(ctx)
	if err != nil {
		return err
	}
	for _, p := range r.Problems {
		switch p.Kind { // structure finds the others by itself
		case seal.SealInvalid, seal.SealDiffers, seal.SealMissing, seal.LogCut:
			v.report.add(Problem{Kind: Kind(p.Kind), Number: p.Number, Detail: p.Detail})
			v.fix, v.CatchUp = false, nil
		}
	}
	return nil
}

// needs checks that the log exists, and for a deep verification the store.
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
	asIs   bool
	tell   func(Progress)
	at     Progress
	report *Report
	// unsure says why it is unknown which events the log lacks; "" if it is known.
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

// progress reports the progress.
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

// readFrames reads the events of a part from the log. Problems of the log itself were found when the whole
// objects were read.
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

// again handles an error of a frame that is read again, or for the first time at the end of a verification.
// It returns the error, since the frame's events would otherwise be taken to be missing. If part of the log
// is already known to be unreadable, it returns only errors that say nothing about the frame.
func (v *verification) again(err error) error {
	if v.unsure == "" {
		return err
	}
	return couldNotTell(err)
}

// take adds an event of the log to the index.
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
