package replay

import "sync"

// turns lets the chunks of several workers pass each stage in the order of the log, while different stages
// work at the same time. The first failure, in the order of stages, stops all workers.
type turns struct {
	mu      sync.Mutex
	changed sync.Cond
	next    []int // for each stage, the chunk whose turn it is
	err     error
}

func newTurns(stages int) *turns {
	t := &turns{next: make([]int, stages)}
	t.changed.L = &t.mu
	return t
}

// wait returns true when it is the chunk's turn at a stage, false if the replay has failed.
func (t *turns) wait(stage, chunk int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next[stage] != chunk && t.err == nil {
		t.changed.Wait()
	}
	return t.err == nil
}

// done lets the next chunk into a stage.
func (t *turns) done(stage int) {
	t.mu.Lock()
	t.next[stage]++
	t.mu.Unlock()
	t.changed.Broadcast()
}

// fail ends the replay. Only the first failure counts.
func (t *turns) fail(err error) {
	t.mu.Lock()
	if t.err == nil {
		t.err = err
	}
	t.mu.Unlock()
	t.changed.Broadcast()
}

func (t *turns) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}
