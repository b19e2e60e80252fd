package replay

import (
	"bytes"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// worker takes chunks, decodes them concurrently with other workers, and folds them when it is their turn. It
// reuses its memory for every chunk, since rows keep none of it.
type worker struct {
	*run
	decoder *event.Decoder
	buffer  []byte
	items   []item
	sorted  []int32                   // indices of items, by partition
	starts  [partitionCount + 2]int32 // start of each partition in sorted; the last one is for ignored items
	refused int64                     // items that turned out to be bad
	bad     []BadLine                 // with lines counted from 0 in the chunk
	blank   int64
	lines   int64
	before  int64 // lines of the log before the chunk
	log     []byte
	late    map[int32][]event.Event // held events that an item released, for the event log
}

// item is an event on its way to a partition.
type item struct {
	event     event.Event
	hash      uint32
	partition uint32 // partitionCount: none
	line      int64  // in the chunk, from 0
	outcome   outcome

	// Set in a strict replay.
	id      uint64 // hash of the eventId
	content uint32 // hash of the event's content
	again   bool   // it is a repeat
	refused error  // why the line turned out to be bad
}

// outcome is the result of an event.
type outcome struct {
	step   projection.Step
	reason string // why the event parked its stream; "" if it did not
}

func newWorker(r *run) *worker {
	decoder := event.NewDecoder()
	decoder.Strict = r.Strict
	return &worker{run: r, decoder: decoder, late: map[int32][]event.Event{}}
}

// chunk takes one chunk through all stages. It returns false when there is no more to do.
func (w *worker) chunk() bool {
	if w.turns.failure() != nil {
		return false
	}
	c, ok := w.source.read(&w.buffer)
	if !ok {
		return false
	}
	w.decode(c.text)
	w.sort()
	return w.count(c) && w.fold(c) && w.tell(c)
}

// decode turns lines into items.
func (w *worker) decode(text []byte) {
	w.decoder.Reset()
	w.items, w.bad, w.blank, w.lines = w.items[:0], w.bad[:0], 0, 0
	for len(text) > 0 {
		line := text
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			end, text = len(text), nil
		} else {
			text = text[end+1:]
		}
		w.decodeLine(line[:end])
		w.lines++
	}
}

func (w *worker) decodeLine(line []byte) {
	if len(line) == 0 || line[0] != '{' && len(bytes.Trim(line, " \t\r")) == 0 {
		w.blank++
		return
	}
	n := len(w.items)
	if n < cap(w.items) {
		w.items = w.items[:n+1]
	} else {
		w.items = append(w.items, item{})
	}
	it := &w.items[n]
	err := ErrLineTooLong
	if len(line) <= MaxLineBytes {
		err = w.decoder.Decode(line, &it.event)
	}
	if err != nil {
		w.items = w.items[:n]
		w.bad = append(w.bad, BadLine{Name: w.Name, Line: w.lines, Text: line, Err: err})
		return
	}
	it.line, it.outcome, it.partition = w.lines, outcome{}, partitionCount
	if w.Strict {
		it.again, it.refused = false, nil
		w.identify(it)
	}
	if w.Definition.Folds(it.event.Stream) {
		it.hash, it.partition = w.hash(it.event.Stream)
	}
}

// sort lists the items of each partition, in the order of the log.
func (w *worker) sort() {
	w.starts = [partitionCount + 2]int32{}
	for i := range w.items {
		w.starts[w.items[i].partition+1]++
	}
	for p := range partitionCount + 1 {
		w.starts[p+1] += w.starts[p]
	}
	if cap(w.sorted) < len(w.items) {
		w.sorted = make([]int32, len(w.items)+len(w.items)/4)
	}
	w.sorted = w.sorted[:cap(w.sorted)]
	next := w.starts
	for i := range w.items {
		p := w.items[i].partition
		w.sorted[next[p]] = int32(i)
		next[p]++
	}
}

// count determines the line of the log at which the chunk begins, and which of its events are repeats.
func (w *worker) count(c chunk) bool {
	if !w.turns.wait(stageCount, c.number) {
		return false
	}
	w.before = w.run.lines
	w.run.lines += w.lines
	if w.Strict {
		for i := range w.items {
			w.known.look(&w.items[i], w.before+w.items[i].line+1)
		}
	}
	w.turns.done(stageCount)
	return true
}

// fold applies the chunk's events, partition by partition.
func (w *worker) fold(c chunk) bool {
	now := event.InstantOf(w.Now())
	for p, part := range w.partitions {
		if !w.turns.wait(stageFold+p, c.number) {
			return false
		}
		for _, i := range w.sorted[w.starts[p]:w.starts[p+1]] {
			it := &w.items[i]
			if it.refused != nil {
				continue
			}
			row, step := part.next(&it.event, it.hash)
			if w.Strict && it.judge(step) != nil {
				continue
			}
			it.outcome = part.take(row, step, &it.event, w.before+it.line+1, now)
			if len(part.late) > 0 {
				w.late[i] = part.late
				part.late = nil
			}
		}
		w.turns.done(stageFold + p)
	}
	return true
}

// tell reports the chunk's outcomes, in the order of the log.
func (w *worker) tell(c chunk) bool {
	w.refused = 0
	if w.Strict {
		w.refuse(c.text)
	}
	w.appendLog()
	if !w.turns.wait(stageTell, c.number) {
		return false
	}
	if err := w.report(c); err != nil {
		w.turns.fail(err)
		return false
	}
	w.turns.done(stageTell)
	return true
}

// appendLog appends the chunk's lines to the event log.
func (w *worker) appendLog() {
	w.log = w.log[:0]
	if w.EventLog == nil {
		return
	}
	stamp := stamp(w.Now())
	for i := range w.items {
		it := &w.items[i]
		if it.partition == partitionCount || it.refused != nil {
			continue
		}
		w.log = w.EventLog.append(w.log, &it.event, it.outcome, stamp)
		for j := range w.late[int32(i)] {
			w.log = w.EventLog.append(w.log, &w.late[int32(i)][j], outcome{step: projection.Applied}, stamp)
		}
	}
}

func (w *worker) report(c chunk) error {
	clear(w.late)
	if w.EventLog != nil {
		if err := w.EventLog.write(w.log); err != nil {
			return err
		}
	}
	for i := range w.bad {
		if err := w.reportBad(&w.bad[i]); err != nil {
			return err
		}
	}
	if errors.Is(c.err, ErrLineTooLong) {
		return &BadLine{Name: w.Name, Line: w.before + w.lines + 1, Err: c.err}
	}
	if c.err != nil {
		return fmt.Errorf("%s: %w", w.Name, c.err)
	}
	w.ignored += int64(w.starts[partitionCount+1] - w.starts[partitionCount])
	w.progress.Bytes += c.bytes
	w.progress.Lines += w.lines
	w.progress.Blank += w.blank
	w.progress.Bad += int64(len(w.bad))
	w.progress.Events += int64(len(w.items)) - w.refused
	if w.Progress != nil {
		w.Progress(w.progress)
	}
	return nil
}

func (w *worker) reportBad(b *BadLine) error {
	b.Line += w.before + 1
	if w.OnBad != nil {
		return w.OnBad(b)
	}
	only := *b
	only.Text = bytes.Clone(b.Text)
	return &only
}
