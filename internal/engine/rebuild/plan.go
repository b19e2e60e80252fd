package rebuild

import (
	"context"
	"fmt"
	"strconv"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/observe"
)

// Work is what one part of the replay reads, in a blob of its own. All attempts at a part read the same one.
type Work struct {
	Part      string      `json:"part"`
	Partition int         `json:"partition"` // partition of the log
	Split     uint64      `json:"split"`     // share of a divided partition: 0 to Splits-1
	Splits    uint64      `json:"splits"`
	Watermark uint64      `json:"watermark"`
	Events    int64       `json:"events"`
	Frames    []WorkFrame `json:"frames"`
}

// WorkFrame locates some of a part's events.
type WorkFrame struct {
	Key     string `json:"key"`     // key of the segment
	Segment uint64 `json:"segment"` // number of its first event, which names it
	// RawBytes is the segment's uncompressed size; older plans lack it.
	RawBytes int64 `json:"rawBytes,omitempty"`
	eventlog.Frame
}

// has reports whether a stream of the partition belongs to this part.
func (w *Work) has(stream string) bool {
	hash := eventlog.HashOf(stream)
	return int(hash%eventlog.Partitions) == w.Partition && hash/eventlog.Partitions%w.Splits == w.Split
}

// Plan takes the log's head as the watermark and divides the log up to there into parts, each small enough
// for one worker. It writes under the watermark's number, so a late attempt with another watermark does no
// harm.
func (e *Engine) Plan(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepPlan, func(run *Run) error { return e.plan(ctx, run) })
}

func (e *Engine) plan(ctx context.Context, run *Run) error {
	if e.Archive != nil {
		if err := e.Archive(ctx); err != nil {
			return fmt.Errorf("bringing the log up to date: %w", err)
		}
	}
	head, err := e.Log.WholeHead(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	planned := Planned{Watermark: head.Number, MaxConcurrency: run.Request.MaxConcurrency}
	if planned.MaxConcurrency == 0 {
		planned.MaxConcurrency = max(1, e.Settings.MaxConcurrency)
	}
	if until := run.Request.UntilNumber; until > 0 {
		if until > head.Number {
			return refused("untilNumber is %d, but the log ends at %d", until, head.Number)
		}
		planned.Watermark = until
	}
	partitions, err := e.frames(ctx, &planned)
	if err != nil {
		return err
	}
	items := []Item{}
	for partition, frames := range partitions {
		parts, err := e.divide(ctx, run, &planned, partition, frames)
		if err != nil {
			return err
		}
		items = append(items, parts...)
	}
	observe.MetricsOf(ctx).Planned(ctx, run.Projection, toRead(items))
	planned.Parts = len(items)
	planned.Key = run.key("plan-" + strconv.FormatUint(planned.Watermark, 10) + ".json")
	run.Plan = &planned
	return e.put(ctx, planned.Key, items)
}

// toRead counts the events that the parts have to read; those of a divided partition count once per part.
func toRead(items []Item) (events int64) {
	for _, item := range items {
		events += item.Events
	}
	return events
}

// frames returns each partition's frames up to the watermark, in the order of the log.
func (e *Engine) frames(ctx context.Context, planned *Planned) (partitions [eventlog.Partitions][]WorkFrame, err error) {
	last := uint64(0)
	err = e.Log.Manifests(ctx, 0, planned.Watermark, func(m *eventlog.Manifest) error {
		if m.First != last+1 {
			return failed("the log has a hole: after event %d comes %d; see archive verify", last, m.First)
		}
		last = m.Last
		planned.Segments++
		for _, f := range m.Frames {
			if f.First > planned.Watermark {
				continue
			}
			partitions[f.Partition] = append(partitions[f.Partition], WorkFrame{Key: m.Key, Segment: m.First, RawBytes: m.RawBytes, Frame: f})
			planned.Bytes += f.Length
			planned.Events += min(int64(f.Count), int64(planned.Watermark-f.First+1))
		}
		return nil
	})
	if err == nil && last < planned.Watermark {
		err = failed("the log's manifests end at %d of %d: see archive verify", last, planned.Watermark)
	}
	return partitions, err
}

// divide writes the work of a partition, as several parts if one would be too large. Each of those reads the
// whole partition and keeps its share.
func (e *Engine) divide(ctx context.Context, run *Run, planned *Planned, partition int, frames []WorkFrame) ([]Item, error) {
	if len(frames) == 0 {
		return nil, nil
	}
	var events int64
	for _, f := range frames {
		events += int64(f.Count)
	}
	splits := max(1, (events+e.Settings.PartEvents-1)/max(1, e.Settings.PartEvents))
	items := make([]Item, 0, splits)
	for split := range splits {
		w := Work{Partition: partition, Split: uint64(split), Splits: uint64(splits), Watermark: planned.Watermark, Events: events, Frames: frames}
		w.Part = fmt.Sprintf("p%02d", partition)
		if splits > 1 {
			w.Part = fmt.Sprintf("%s-%d-of-%d", w.Part, split+1, splits)
		}
		item := Item{Part: w.Part, Work: run.key("work-"+strconv.FormatUint(planned.Watermark, 10), w.Part+".json"), Events: events}
		if err := e.put(ctx, item.Work, w); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}
