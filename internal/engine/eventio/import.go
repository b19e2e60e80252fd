// Package eventio moves events between an event store and JSONL files. A log from anywhere (another
// installation, a backup, AWS) can be imported any number of times while commands continue, and exported
// again byte for byte. A log with a bad line is not imported at all. infra/DESIGN.md section 4 specifies the
// lines.
package eventio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// MaxLineBytes bounds one line of a file.
const MaxLineBytes = 16 << 20

// maxReported bounds the bad lines that a report describes; all are counted.
const maxReported = 1000

// Target is the part of the event store that an import needs.
type Target interface {
	// LoadMany returns the whole of each stream that has events, keyed by stream.
	LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error)
	// AppendAll appends what f adds in one transaction: all of it, or none if f or an add fails. add is
	// eventstore.Appender's Append: at most eventstore.MaxAppend events of one stream, eventstore.ErrConflict
	// if the stream is not at version expected.
	AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error
	// EachID calls f with the id, stream and version of every event in the store.
	EachID(ctx context.Context, f func(id, stream string, version uint64) error) error
}

// Options say how to import.
type Options struct {
	Stored bool // the lines are from a log of this system, and are not checked as strictly as those from outside
	// Follow is the state machine of the events' streams: it returns the status that an event of a type leads
	// to from another status; "" is the status before the first event. Events that cannot follow are bad
	// lines; nil accepts them all.
	Follow        func(status, eventType string) (string, error)
	Unfoldable    bool           // accept and count events that Follow refuses
	SkipBad       bool           // import the good lines even if there are bad ones
	BadWriter     io.Writer      // receives the bad lines unchanged, with SkipBad
	DropActors    bool           // leave out who caused the events: only this installation knows its callers
	CorrelationID string         // for events without one; if "", that of ctx or a new one
	MaxEventBytes int            // limit of the store for one line of JSON; 0 for none
	SpoolDir      string         // where a stream is stored to be read twice; if "", the system's
	Progress      func(Progress) // called now and then with the progress; may be nil
}

// The steps of an import.
const (
	StepCheck   = "checking"  // Done and Total are bytes
	StepCompare = "comparing" // streams, including those of the store
	StepAppend  = "importing" // events
)

// Progress is how far an import is.
type Progress struct {
	Step        string
	Done, Total int64
}

// BadLine is a line that cannot be imported.
type BadLine struct {
	Line   int    `json:"line"` // from 1
	Reason string `json:"reason"`
}

// Report is the outcome of an import.
type Report struct {
	Lines         int       `json:"lines"`         // in the file, including blank ones
	Events        int       `json:"events"`        // good lines
	Imported      int       `json:"imported"`      // new to the store, and now in it
	AlreadyThere  int       `json:"alreadyThere"`  // already in the store, or twice in the file
	Streams       int       `json:"streams"`       // of the good lines
	BadLines      int       `json:"badLines"`      // number of bad lines
	Unfoldable    int       `json:"unfoldable"`    // events that Options.Follow refuses
	Bad           []BadLine `json:"bad,omitempty"` // the first bad lines, by line
	CorrelationID string    `json:"correlationId"` // assigned to events without one
}

// Errors of Import.
var (
	// ErrBadLines means that there are bad lines, which the report describes. No line was imported.
	ErrBadLines = errors.New("bad lines")
	// ErrStoreChanged means that another process appended a different event to one of the streams
	// between the check and the append. Importing the file again shows whether the rest still fits.
	ErrStoreChanged = errors.New("the event store changed during the import")
)

// badLines is ErrBadLines with their number.
type badLines int

func (n badLines) Error() string {
	if n == 1 {
		return "1 bad line"
	}
	return fmt.Sprintf("%d bad lines", int(n))
}

func (badLines) Is(target error) bool { return target == ErrBadLines }

// Import reads JSONL from r and appends its events in the order of the file, in many small transactions. It
// first checks the file, alone and against the store, and appends no events if a line is bad (except with
// SkipBad). A line is bad if it does not decode, if another event has its place in the stream, if the event
// before it is missing, or if it cannot follow that event.
//
// Events that the store already has are skipped: importing a file again does nothing, and an interrupted
// import continues where it ended; the report of a failed import says how many events are in. Memory bounds
// the number of events (about 200 bytes each), not their size: r is copied to a temporary file unless it is a
// file.
func Import(ctx context.Context, r io.Reader, target Target, o Options) (Report, error) {
	if o.CorrelationID == "" {
		o.CorrelationID = observe.CorrelationID(ctx)
	}
	if o.CorrelationID == "" {
		o.CorrelationID = observe.NewID()
	}
	src, err := openSource(ctx, r, o.SpoolDir)
	if err != nil {
		return Report{}, err
	}
	defer src.Close()
	p := newPlan(src, o)
	if err := p.make(ctx, target); err != nil {
		return Report{}, err
	}
	report := p.report()
	if report.BadLines > 0 && !o.SkipBad {
		report.Imported = 0
		return report, badLines(report.BadLines)
	}
	if o.BadWriter != nil {
		if err := p.writeBad(o.BadWriter); err != nil {
			return Report{}, fmt.Errorf("writing the bad lines: %w", err)
		}
	}
	if report.Imported == 0 {
		return report, nil
	}
	imported, there, err := p.append(ctx, target, int64(report.Imported))
	report.Imported, report.AlreadyThere = imported, report.AlreadyThere+there
	return report, err
}

// make reads the file and decides about every line. Lines that are bad by themselves make good
// lines look wrong; without SkipBad it stops at those.
func (p *plan) make(ctx context.Context, target Target) error {
	if err := p.read(ctx); err != nil {
		return err
	}
	if len(p.bad) > 0 && !p.options.SkipBad {
		return nil
	}
	if err := target.EachID(ctx, p.noteStored); err != nil {
		return fmt.Errorf("comparing with the event store: %w", err)
	}
	p.group()
	return p.place(ctx, target)
}

func (p *plan) tell(step string, done, total int64) {
	if p.options.Progress != nil {
		p.options.Progress(Progress{step, done, total})
	}
}

// report counts the entries of the plan.
func (p *plan) report() Report {
	r := Report{Lines: p.lines, Unfoldable: p.unfoldable, CorrelationID: p.options.CorrelationID, BadLines: len(p.bad), Bad: p.describeBad()}
	seen := make([]bool, len(p.streams))
	for i := range p.entries {
		e := &p.entries[i]
		switch e.state {
		case isNew:
			r.Imported++
		case isThere:
			r.AlreadyThere++
		case isBad:
			continue
		}
		r.Events++
		if !seen[e.stream] {
			seen[e.stream] = true
			r.Streams++
		}
	}
	return r
}
