// Package replay folds whole logs of events into rows. FromReader does so in memory from a JSONL log, on all
// cores. It is the operator's quickest way to compute the right rows, and holds millions of them in less
// memory than a browser tab takes on most laptops.
package replay

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// MaxLineBytes bounds one line of a log.
const MaxLineBytes = 16 << 20

// Options say how a log is replayed. Only Definition is required. The functions are called one at a time, in
// the order of the log, while the replay continues in other goroutines.
type Options struct {
	Definition model.Projection
	Name       string           // name of the log in errors, such as its path
	EventLog   *EventLog        // writes a line per event; nil for none
	Now        func() time.Time // time.Now if nil

	// Strict is for a log from outside. A line is then also bad if programs read it differently
	// (event.DecodeStrict), or if its eventId or its version is already that of another event.
	Strict bool

	// OnBad is called for every line that is not an event; the replay skips the line unless OnBad returns an
	// error. If OnBad is nil, the first bad line ends the replay.
	OnBad func(*BadLine) error
	// Progress is called from time to time with the progress of the replay.
	Progress func(Progress)

	Workers    int // GOMAXPROCS if 0
	ChunkBytes int // how much of the log a worker takes at a time; 256 KiB if 0
}

// Progress is how far a replay has come.
type Progress struct {
	Bytes  int64 // of the log
	Lines  int64 // blank and bad ones included
	Blank  int64
	Bad    int64
	Events int64 // all lines that are neither blank nor bad
}

// BadLine is the error for a line of a log that is not an event. It says which line that is.
type BadLine struct {
	Name string // of the log
	Line int64  // from 1
	Text []byte // without the newline; valid only until OnBad returns
	Err  error  // what is wrong with it
}

func (b *BadLine) Error() string { return fmt.Sprintf("%s:%d: %v", b.Name, b.Line, b.Err) }
func (b *BadLine) Unwrap() error { return b.Err }

// FromReader replays a JSONL log (infra/DESIGN.md section 4) into rows in memory. It skips blank lines, and a
// byte order mark at the front. An event without a version is the next of its stream; one whose version the
// row already has is a duplicate; one that comes too early is held until the gap closes. An event that cannot
// be applied parks its stream; other streams continue.
//
// The error is one of these: a *BadLine, for the first bad line, unless OnBad handles it; ctx.Err(); or the
// failure to read the log or to write the event log. FromReader notices a cancelled ctx between two reads,
// not during a read that hangs.
func FromReader(ctx context.Context, r io.Reader, o Options) (*Result, error) {
	o.setDefaults()
	run, err := newRun(&o, r)
	if err != nil {
		return nil, err
	}
	run.work(ctx)
	if err := run.turns.failure(); err != nil {
		return nil, err
	}
	return run.result(), nil
}

func (o *Options) setDefaults() {
	if o.Name == "" {
		o.Name = "log"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.ChunkBytes <= 0 {
		o.ChunkBytes = 256 << 10
	}
}

// Parked is a stream that was parked because an event cannot be applied.
type Parked struct {
	Stream  string `json:"stream"`
	Version uint64 `json:"version"` // version of its row, which lacks the event; 0: it has none
	Line    int64  `json:"line"`    // line of the event; in a numbered log, its number
	projection.Parked
}

// Gap is a stream that lacks a version. Its row reflects the events before the gap.
type Gap struct {
	Stream  string
	Missing uint64 // the version that never came
	Held    int    // number of later events that could not be applied
}

// Result is the outcome of a replay.
type Result struct {
	Progress
	Applied    int64    // events that are in the rows
	Duplicates int64    // repeated events
	SetAside   int64    // events of parked streams that are not in the rows
	Ignored    int64    // events of streams that the projection does not fold
	Parked     []Parked // in the order of the log
	Gaps       []Gap    // sorted by stream

	partitions []*partition
	newRow     func() model.Row
	workers    int
}

func (r *run) result() *Result {
	res := &Result{Progress: r.progress, Ignored: r.ignored, partitions: r.partitions, newRow: r.Definition.NewRow, workers: r.Workers}
	for _, p := range r.partitions {
		res.Applied += p.applied
		res.Duplicates += p.duplicates
		res.SetAside += p.setAside
		for _, parked := range p.parked {
			res.Parked = append(res.Parked, *parked)
		}
		res.Gaps = append(res.Gaps, p.gaps(r.hash)...)
		p.rows.closeAll()
	}
	slices.SortFunc(res.Parked, func(a, b Parked) int { return cmp.Compare(a.Line, b.Line) })
	slices.SortFunc(res.Gaps, func(a, b Gap) int { return cmp.Compare(a.Stream, b.Stream) })
	return res
}
