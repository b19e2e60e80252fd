package command

import (
	"cmp"
	"container/list"
	"hash/fnv"
	"sync"

	"gakushoku/internal/engine/streamstate"
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
// With Snapshots, it also takes the states that other processes have stored, and stores its own now and then.
//
// It is safe for concurrent use. A nil Cache keeps nothing.
type Cache struct {
	// Least is how many events a stream has before its state is kept; 0: 64. Shorter ones load at once.
	Least int
	// Most bounds the events of all streams whose states are kept; 0: 200,000. The streams that were not used
	// for the longest time are dropped first.
	Most int

	// Snapshots stores states beyond the process; nil: nothing does.
	Snapshots streamstate.Store
	// Every is how many events of a stream there are from one snapshot to the next; 0: 256.
	Every int
	// Later carries out the writing of a snapshot, which no command waits for; nil: at once.
	Later func(write func())

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
	doubtful bool   // an append to this version failed
	unproven string // for a state from a snapshot that was not compared with its stream: the id of the event at version
	commands commands
}

// digest identifies a command of a caller. Snapshots hold it, so it must never change.
func digest(caller, commandID string) uint32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(caller))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(commandID))
	sum := h.Sum64()
	return uint32(sum>>32) ^ uint32(sum)
}

// of returns what is kept of a stream, without the commands; nil if nothing is. repeat reports whether the command
// may be one of those that led to it.
func (c *Cache) of(stream string, command uint32) (kept *folded, repeat bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.kept[stream]
	if at == nil {
		return nil, false
	}
	c.recent.MoveToFront(at)
	f := at.Value.(*folded)
	return &folded{state: f.state, version: f.version, doubtful: f.doubtful, unproven: f.unproven}, f.commands.has(command)
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
// stored says that there may be a snapshot of the stream: then a short one is kept too, since looking for its
// snapshot again and again would cost more.
func (c *Cache) keep(stream string, state any, version uint64, newer []event.Event, stored bool) {
	if c == nil || len(newer) == 0 {
		return
	}
	if version < uint64(cmp.Or(c.Least, leastCached)) && (!stored || c.Snapshots == nil) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.kept[stream]
	first := newer[0].Version
	switch {
	case at == nil && first == 1:
		at = c.add(&folded{stream: stream})
	case at == nil, at.Value.(*folded).version < first-1, at.Value.(*folded).version >= version:
		return // others have forgotten it, or were faster
	}
	f := at.Value.(*folded)
	c.events += int(version - f.version)
	f.state, f.version, f.doubtful, f.unproven = state, version, false, ""
	for i := range newer {
		f.commands.add(digest(newer[i].Actor, newer[i].CommandID))
	}
	c.bound()
}

// recall keeps a state from a snapshot, unless the stream has one by now.
func (c *Cache) recall(f *folded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[f.stream] == nil {
		c.add(f)
		c.events += int(f.version)
		c.bound()
	}
}

// prove notes that the stream of a state has the event that the state's snapshot named.
func (c *Cache) prove(stream, eventID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.kept[stream]; at != nil && at.Value.(*folded).unproven == eventID {
		at.Value.(*folded).unproven = ""
	}
}

// digests returns the digests of the commands that led to a version, false if another version is kept.
func (c *Cache) digests(stream string, version uint64) (commands, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.kept[stream]
	if at == nil || at.Value.(*folded).version != version {
		return commands{}, false
	}
	return at.Value.(*folded).commands.clone(), true
}

func (c *Cache) add(f *folded) *list.Element {
	if c.kept == nil {
		c.kept = map[string]*list.Element{}
	}
	at := c.recent.PushFront(f)
	c.kept[f.stream] = at
	return at
}

// bound drops what was not used for the longest time.
func (c *Cache) bound() {
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
