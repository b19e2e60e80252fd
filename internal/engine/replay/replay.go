// Package replay folds whole logs of events into rows. FromReader does it in memory from a
// JSONL log, on all cores; it is the operator's quickest way to see what the rows
// should be, and holds millions of them in less memory than most laptops spend on a browser
// tab.
package replay

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// MaxLineBytes bounds one line of a log.
const MaxLineBytes = 16 << 20

// Options say how a log is replayed. Only Definition is required. The functions are called one
// at a time, in the order of the log, while the replay goes on elsewhere.
type Options struct {
	Definition model.Projection
	Name       string           // of the log in errors, such as its path
	EventLog   *EventLog        // writes a line for every event; nil for none
	Now        func() time.Time // time.Now when nil

	// Strict is for a log from outside: a line is also bad when programs read it differently
	// (event.DecodeStrict), when its eventId stands for another event too, or its version does.
	Strict bool

	// OnBad is told of every line that is not an event; the replay goes on without it unless
	// OnBad returns an error. When OnBad is nil the first bad line ends the replay.
	OnBad func(*BadLine) error
	// Progress is told from time to time how far the replay has come.
	Progress func(Progress)

	Workers    int // GOMAXPROCS when 0
	ChunkBytes int // how much of the log a worker takes at a time; 256 KiB when 0
}

// Progress is how far a replay has come.
type Progress struct {
	Bytes  int64 // of the log
	Lines  int64 // blank and bad ones included
	Blank  int64
	Bad    int64
	Events int64 // all lines that are neither blank nor bad
}

// BadLine is a line of a log that is not an event. It is an error that names the place.
type BadLine struct {
	Name string // of the log
	Line int64  // from 1
	Text []byte // without the newline; valid only until OnBad returns
	Err  error  // what is wrong with it
}

func (b *BadLine) Error() string { return fmt.Sprintf("%s:%d: %v", b.Name, b.Line, b.Err) }
func (b *BadLine) Unwrap() error { return b.Err }

// FromFile replays the log in a file. Its errors are those of FromReader and of opening the
// file.
func FromFile(ctx context.Context, path string, o Options) (*Result, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("opening the log: %s is a folder, not a file of JSON lines", path)
	}
	if o.Name == "" {
		o.Name = path
	}
	return FromReader(ctx, file, o)
}

// FromReader replays a JSONL log (infra/DESIGN.md section 4) into rows in memory. Blank lines are
// skipped, and so is a byte order mark at the front. An event without a version is the next
// of its stream; one with a version that the row has is a duplicate; one that comes too early
// is held back until the gap closes. An event that cannot be applied parks its stream, and
// the others go on.
//
// The error is a *BadLine, the first in the log, unless OnBad takes them; ctx.Err(); or the
// failure of reading or of writing the event log. A cancelled ctx is noticed between two
// reads, not in the middle of one that hangs.
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

// Parked is a stream that was set aside by an event that cannot be applied.
type Parked struct {
	Stream  string `json:"stream"`
	Version uint64 `json:"version"` // of its row, which is as it was before the event; 0: it has none
	Line    int64  `json:"line"`    // of the event; its number in a numbered log
	projection.Parked
}

// Gap is a stream of which a version is missing. Its row reflects the events before it.
type Gap struct {
	Stream  string
	Missing uint64 // the version that never came
	Held    int    // how many later events could not be applied
}

// Result is what a log was replayed into.
type Result struct {
	Progress
	Applied    int64    // events that are in the rows
	Duplicates int64    // events that came again
	SetAside   int64    // events of parked streams that are not in the rows
	Ignored    int64    // events of streams that are not for this projection
	Parked     []Parked // in the order of the log
	Gaps       []Gap    // in the order of stream names

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
