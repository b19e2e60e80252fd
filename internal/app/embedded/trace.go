package embedded

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/logs"
	"gakushoku/internal/operate/timeline"
)

// Timelines finds the operations of this folder, at most limit log lines and events of each. Log
// lines are looked for since then; when it is zero, all of them.
func (f *Folder) Timelines(limit int, since time.Time) *timeline.Finder {
	if f.Broken() != nil {
		log := archived{f.Dir}
		return &timeline.Finder{Lines: fileLines{LogFile(f.Dir), since}, Streams: log, Numbers: log, EachEvent: log.EachEvent, Limit: limit}
	}
	m := f.ReadModels()
	return &timeline.Finder{
		Lines: fileLines{LogFile(f.Dir), since}, Streams: m.Streams, Numbers: m.Numbers, EachEvent: f.eachEventThere, Limit: limit,
		Models: timeline.ReadModels{Projections: m.Projections, Pointers: m.Pointers, Tables: m.Tables},
	}
}

// TraceURL is where traces of the folder are shown: nobody knows.
func (f *Folder) TraceURL() string { return "" }

// fileLines are the log files of a server. That there are none is no failure: the events tell
// of an operation too.
type fileLines struct {
	path  string
	since time.Time
}

// OfOperation is timeline.Lines.
func (l fileLines) OfOperation(ctx context.Context, correlationID string, f func([]byte) error) error {
	return l.search(ctx, logs.Query{CorrelationID: correlationID}, f)
}

// OfOrder is timeline.Lines. Commands name their order; there are far more other lines.
func (l fileLines) OfOrder(ctx context.Context, orderID string, f func([]byte) error) error {
	commandName := []byte(`"` + observe.FieldCommandName + `"`)
	return l.search(ctx, logs.Query{Text: orderID}, func(line []byte) error {
		if !bytes.Contains(line, commandName) {
			return nil
		}
		return f(line)
	})
}

func (l fileLines) search(ctx context.Context, q logs.Query, f func([]byte) error) error {
	q.Since = l.since
	err := logs.Search(ctx, l.path, q, 0, logs.SinkFunc(f))
	if errors.Is(err, logs.ErrNoLog) {
		return nil
	}
	return err
}

// eachEventThere is EachEvent for whoever looks for something: of a log that cannot be brought up to
// date it reads what is there.
func (f *Folder) eachEventThere(ctx context.Context, do func(*event.Event) error) error {
	err := f.CheckEvents(ctx)
	if err == nil {
		err = f.Archive(ctx)
	}
	if errors.Is(err, eventlog.ErrLedgerBehind) || errors.Is(err, eventstore.ErrOtherStore) {
		return archived{f.Dir}.EachEvent(ctx, do)
	}
	return f.EachEvent(ctx, do)
}

// archived is what the log of a folder tells when nothing else can be read.
type archived struct{ dir string }

// EachEvent reads the whole log; none without one.
func (a archived) EachEvent(ctx context.Context, f func(*event.Event) error) error {
	err := EachArchived(ctx, a.dir, f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// LoadMany is timeline.Streams.
func (a archived) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	found := map[string][]event.Event{}
	if len(streams) == 0 {
		return found, nil
	}
	err := a.EachEvent(ctx, func(e *event.Event) error {
		if slices.Contains(streams, e.Stream) {
			own := e.Clone()
			found[own.Stream] = append(found[own.Stream], own)
		}
		return nil
	})
	return found, err
}

// Numbers is timeline.Numberer: numbers are not looked for.
func (archived) Numbers(context.Context, string) (map[uint64]uint64, error) { return nil, nil }
