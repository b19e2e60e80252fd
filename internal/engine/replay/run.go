package replay

import (
	"context"
	"hash/maphash"
	"io"
	"sync"
)

// partitionCount is the number of parts that the streams are divided into, each with its own rows. It is a
// power of two, well above the number of workers, so that workers seldom wait for the same one.
const partitionCount = 16

// The stages that chunks pass in the order of the log: the first counts lines, the last reports outcomes, and
// each partition is one in between.
const (
	stageCount = iota
	stageFold
	stageTell = stageFold + partitionCount
	stages    = stageTell + 1
)

// run is one replay. Its variable fields are changed only by the worker whose turn it is.
type run struct {
	*Options
	source     source
	turns      *turns
	seed       maphash.Seed
	partitions []*partition

	lines    int64    // lines before the chunk that is at stageCount
	progress Progress // of the chunks that have passed stageTell
	ignored  int64
	known    known // of a strict replay
}

func newRun(o *Options, r io.Reader) (*run, error) {
	run := &run{Options: o, turns: newTurns(stages), seed: maphash.MakeSeed(), known: known{}}
	run.source.reader, run.source.size = r, o.ChunkBytes
	for range partitionCount {
		p, err := newPartition(o.Definition)
		if err != nil {
			return nil, err
		}
		run.partitions = append(run.partitions, p)
	}
	return run, nil
}

// hash returns a stream's hash for the index, and its partition.
func (r *run) hash(stream string) (index, partition uint32) {
	h := maphash.String(r.seed, stream)
	return uint32(h), uint32(h>>32) % partitionCount
}

// work replays the log and returns when every worker has ended.
func (r *run) work(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { r.turns.fail(ctx.Err()) })
	defer stop()
	if err := ctx.Err(); err != nil {
		r.turns.fail(err)
	}
	var workers sync.WaitGroup
	for range r.Workers {
		workers.Go(func() {
			w := newWorker(r)
			for w.chunk() {
			}
		})
	}
	workers.Wait()
}
