package command

import (
	"cmp"
	"container/list"
	"hash/fnv"
	"sync"

	"gakushoku/internal/event"
)

// Cache keeps the folded states of long streams, so that a command loads only the events that are newer. It is
// an optimization: a state that is old leads to a conflict at the append; if the stream has nothing newer then,
// the state is forgotten. States must not be changed in place by the rules, since commands share them.
//
// A command is found again by its id even though its events are not loaded: the cache keeps a digest of the id
// and the caller of every event it has folded. A command whose digest is there loads the whole stream, so
// two ids with one digest cost a load and nothing else.
//
// It is safe for concurrent use. A nil Cache keeps nothing.
type Cache struct {
	// Least is how many events a stream has before its state is kept; 0: 64. Shorter ones load at once.
	Least int
	// Most bounds the events of all streams whose states are kept; 0: 200,000. The streams that were not used
	// for the longest time are dropped first.
	Most int

	mu     sync.Mutex
	kept   map[string]*list.Element
	recent list.List // of *folded, the one used last at the front
	events int
}

const (
	leastCached = 64
	mostCached  = 200_000
)

// folded is the state of a stream at a version.
type folded struct {
	stream   string
	state    any
	version  uint64
	doubtful bool                // an append to this version failed
	commands map[uint64]struct{} // digests of the commands of its events
}

// digest identifies a command of a caller.
func digest(caller, commandID string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(caller))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(commandID))
	return h.Sum64()
}

// of returns what is kept of a stream, without the commands; false if nothing is, or if the command may be one
// of those that led to it.
func (c *Cache) of(stream string, command uint64) (folded, bool) {
	if c == nil {
		return folded{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.kept[stream]
	if at == nil {
		return folded{}, false
	}
	c.recent.MoveToFront(at)
	f := at.Value.(*folded)
	_, had := f.commands[command]
	return folded{state: f.state, version: f.version, doubtful: f.doubtful}, !had
}

// doubt notes that an append to a version failed: either the stream has more events, or it is another one.
func (c *Cache) doubt(stream string, version uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.kept[stream]; at != nil && at.Value.(*folded).version == version {
		at.Value.(*folded).doubtful = true
	}
}

// keep keeps the state after newer, which are the events that followed the version kept before, or all events.
func (c *Cache) keep(stream string, state any, version uint64, newer []event.Event) {
	if c == nil || version < uint64(cmp.Or(c.Least, leastCached)) || len(newer) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.kept[stream]
	first := newer[0].Version
	switch {
	case at == nil && first == 1:
		if c.kept == nil {
			c.kept = map[string]*list.Element{}
		}
		at = c.recent.PushFront(&folded{stream: stream, commands: map[uint64]struct{}{}})
		c.kept[stream] = at
	case at == nil, at.Value.(*folded).version < first-1, at.Value.(*folded).version >= version:
		return // others have forgotten it, or were faster
	}
	f := at.Value.(*folded)
	c.events += int(version - f.version)
	f.state, f.version, f.doubtful = state, version, false
	for i := range newer {
		f.commands[digest(newer[i].Actor, newer[i].CommandID)] = struct{}{}
	}
	for c.events > cmp.Or(c.Most, mostCached) && c.recent.Len() > 0 {
		c.drop(c.recent.Back())
	}
}

// forget drops the state of a stream.
func (c *Cache) forget(stream string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.kept[stream]; at != nil {
		c.drop(at)
	}
}

func (c *Cache) drop(at *list.Element) {
	f := at.Value.(*folded)
	c.events -= int(f.version)
	c.recent.Remove(at)
	delete(c.kept, f.stream)
}
