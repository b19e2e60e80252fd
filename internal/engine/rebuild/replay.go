package rebuild

import (
	"context"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/observe"
)

// PartResult is what a worker reports about its part: in full as a blob, and without the lists as the result
// of the task.
type PartResult struct {
	Part string `json:"part"`
	replay.PartCounts
	RowBytes   int64 `json:"rowBytes"`    // size of the rows' JSON
	Memory     int64 `json:"memoryBytes"` // memory that the rows took
	DurationMs int64 `json:"durationMs"`
	Parked     int   `json:"parked"`
	Gaps       int   `json:"gaps"`

	ParkedStreams []replay.Parked `json:"parkedStreams,omitempty"`
	GapStreams    []string        `json:"gapStreams,omitempty"`
}

// ReplayPart folds one part of the log in memory and writes each row once. All attempts at a part write the
// same, so repeating one does no harm, nor does one that goes on after its caller gave up. A dry run writes
// only its result.
func (e *Engine) ReplayPart(ctx context.Context, run Run, item Item) (PartResult, error) {
	ctx, span := observe.Start(e.context(ctx, &run), "reproject.ReplayPart", observe.Internal)
	defer span.Str(observe.AttrRun, run.ID).Str("gakushoku.part", item.Part).End()
	started := e.Now()
	result, err := e.replayPart(ctx, &run, item)
	span.Failed(err)
	took := e.Now().Sub(started).Milliseconds()
	if err != nil {
		observe.Failed(observe.Logger(ctx).Error().Str("part", item.Part), float64(took), err).Msg("reproject:part")
		return result, fmt.Errorf("replaying %s of run %s: %w", item.Part, run.ID, err)
	}
	result.DurationMs = took
	if err := e.put(ctx, e.resultKey(&run, item.Part), result); err != nil {
		return result, err
	}
	e.progress(Progress{RunID: run.ID, Step: StepReplay, Part: item.Part, Done: item.Events, Total: item.Events, Unit: "events"})
	observe.Logger(ctx).Info().Str("part", item.Part).Int("rows", result.Rows).Int64("applied", result.Applied).Int("parked", result.Parked).
		Int("gaps", result.Gaps).Int64(observe.FieldDurationMs, took).Str(observe.FieldResult, observe.ResultOK).Msg("reproject:part")
	result.ParkedStreams, result.GapStreams = nil, nil
	return result, nil
}

// resultKey names the blob of a part's result. Like the work, it lies under the watermark.
func (e *Engine) resultKey(run *Run, part string) string {
	return run.key(fmt.Sprintf("results-%d", run.Plan.Watermark), part+".json")
}

func (e *Engine) replayPart(ctx context.Context, run *Run, item Item) (PartResult, error) {
	result := PartResult{Part: item.Part}
	d, err := e.definition(run.Projection, run.Revision)
	if err != nil {
		return result, err
	}
	var work Work
	if err := e.get(ctx, item.Work, &work); err != nil {
		return result, err
	}
	part, err := replay.NewPart(replay.PartOptions{Definition: d, Has: work.has, Until: run.Request.Until, Now: run.StartedAt})
	if err != nil {
		return result, err
	}
	if err := e.foldPart(ctx, run, &work, part); err != nil {
		return result, err
	}
	result.PartCounts, result.Memory = part.Counts(), part.Bytes()
	result.ParkedStreams = part.Parked()
	for _, g := range part.Gaps() {
		result.GapStreams = append(result.GapStreams, g.Stream)
	}
	if err := e.writePart(ctx, run, &work, part, &result); err != nil {
		return result, err
	}
	result.Parked, result.Gaps = len(result.ParkedStreams), len(result.GapStreams)
	return result, nil
}

// foldPart reads the part's frames, a few ahead, and folds them in the order of the log.
func (e *Engine) foldPart(ctx context.Context, run *Run, work *Work, part *replay.Part) error {
	var done int64
	for read, err := range e.readAhead(ctx, work.Frames) {
		if err != nil {
			return err
		}
		if err := part.Add(read.lines, read.frame.First, work.Watermark); err != nil {
			return fmt.Errorf("segment %s: %w", read.frame.Key, err)
		}
		if bound := e.Settings.PartBytes; bound > 0 && part.Bytes() > bound {
			return failed("the rows of %s take more than %d bytes: plan smaller parts", work.Part, bound)
		}
		observe.MetricsOf(ctx).Folded(ctx, run.Projection, string(StepReplay), int64(read.frame.Count))
		// The part is not done until its rows are stored, so report at least one event as left.
		done = min(done+int64(read.frame.Count), work.Events-1)
		e.progress(Progress{RunID: run.ID, Step: StepReplay, Part: work.Part, Done: done, Total: work.Events, Unit: "events"})
	}
	return nil
}

// progressRows is the number of rows between two progress reports.
const progressRows = 1000

// writePart hands the rows to the sink. Streams whose rows it leaves out join those with a gap.
func (e *Engine) writePart(ctx context.Context, run *Run, work *Work, part *replay.Part, result *PartResult) error {
	bulk, leftOut := part.Bulk(work.Part)
	rows := bulk.Rows
	at := Progress{RunID: run.ID, Step: StepReplay, Part: work.Part, Total: int64(result.Rows), Unit: "rows"}
	bulk.Rows = func(yield func(projection.Record, error) bool) {
		result.RowBytes, at.Done = 0, 0
		for record, err := range rows {
			result.RowBytes += int64(len(record.Data))
			if !yield(record, err) {
				return
			}
			if at.Done++; at.Done%progressRows == 0 && at.Done < at.Total {
				e.progress(at)
			}
		}
	}
	err := e.putPart(ctx, run, bulk)
	result.GapStreams = append(result.GapStreams, leftOut()...)
	result.Rows -= len(leftOut())
	return err
}

// putPart stores the rows; a dry run only iterates over them.
func (e *Engine) putPart(ctx context.Context, run *Run, bulk projection.BulkPart) error {
	if run.Mode != ModeDryRun {
		_, err := e.Tables.PutPart(ctx, run.Table(), bulk)
		return err
	}
	for _, err := range bulk.Rows {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// readAheadFrames is how many frames are read while one is folded. Reading one object at a time would leave a
// worker waiting most of the time.
const readAheadFrames = 8

type readFrame struct {
	frame WorkFrame
	lines []byte
}

// readAhead reads several frames concurrently and yields them in order.
func (e *Engine) readAhead(ctx context.Context, frames []WorkFrame) iter.Seq2[readFrame, error] {
	return func(yield func(readFrame, error) bool) {
		group, ctx := errgroup.WithContext(ctx)
		stop := make(chan struct{})
		waiting := make(chan chan []byte, readAheadFrames)
		buffers := make(chan []byte, readAheadFrames+1)
		group.Go(func() error {
			defer close(waiting)
			return e.startReads(ctx, frames, group, waiting, buffers, stop)
		})
		ended := e.takeReads(frames, waiting, buffers, yield)
		close(stop)
		if err := group.Wait(); err != nil && !ended {
			yield(readFrame{}, err)
		}
	}
}

// startReads starts reading each frame as soon as there is room for it.
func (e *Engine) startReads(ctx context.Context, frames []WorkFrame, group *errgroup.Group, waiting chan<- chan []byte, buffers <-chan []byte, stop <-chan struct{}) error {
	for _, f := range frames {
		place := make(chan []byte, 1)
		select {
		case waiting <- place:
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		var buffer []byte
		select {
		case buffer = <-buffers:
		default:
		}
		group.Go(func() error {
			defer close(place)
			lines, err := e.Log.ReadFrame(ctx, &eventlog.Manifest{First: f.Segment, Key: f.Key, RawBytes: f.RawBytes, Partitions: eventlog.Partitions}, f.Frame, buffer)
			if err != nil {
				return fmt.Errorf("reading segment %s: %w", f.Key, err)
			}
			place <- lines
			return nil
		})
	}
	return nil
}

// takeReads yields the frames in order. It returns true if the consumer stopped early.
func (e *Engine) takeReads(frames []WorkFrame, waiting <-chan chan []byte, buffers chan<- []byte, yield func(readFrame, error) bool) (ended bool) {
	n := 0
	for place := range waiting {
		lines, ok := <-place
		if !ok {
			return false // the group has the error
		}
		if !yield(readFrame{frames[n], lines}, nil) {
			return true
		}
		n++
		select {
		case buffers <- lines:
		default:
		}
	}
	return false
}
