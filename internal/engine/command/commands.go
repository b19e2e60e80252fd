package command

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// commands is a set of digests of commands: those of a snapshot, which are many and do not change, and those that
// came after.
type commands struct {
	stored []uint32 // sorted
	added  map[uint32]struct{}
}

func (c *commands) has(d uint32) bool {
	if _, found := c.added[d]; found {
		return true
	}
	_, found := slices.BinarySearch(c.stored, d)
	return found
}

func (c *commands) add(d uint32) {
	if c.added == nil {
		c.added = map[uint32]struct{}{}
	}
	c.added[d] = struct{}{}
}

// clone returns a copy that may be read while others add to the set.
func (c *commands) clone() commands { return commands{c.stored, maps.Clone(c.added)} }

// append appends the set to data: how many there are, then the sorted digests, each as the distance to the one
// before.
func (c *commands) append(data []byte) []byte {
	all := slices.AppendSeq(slices.Clone(c.stored), maps.Keys(c.added))
	slices.Sort(all)
	all = slices.Compact(all)
	data = binary.AppendUvarint(data, uint64(len(all)))
	last := uint32(0)
	for _, d := range all {
		data = binary.AppendUvarint(data, uint64(d-last))
		last = d
	}
	return data
}

// readCommands reads what append has written, and returns the data after it.
func readCommands(data []byte) (commands, []byte, error) {
	count, n := binary.Uvarint(data)
	if n <= 0 || count > uint64(len(data)) {
		return commands{}, nil, errShort
	}
	all := make([]uint32, count)
	last := uint64(0)
	for i := range all {
		data = data[n:]
		var distance uint64
		if distance, n = binary.Uvarint(data); n <= 0 {
			return commands{}, nil, errShort
		}
		last += distance
		all[i] = uint32(last)
	}
	return commands{stored: all}, data[n:], nil
}

var errShort = errors.New("it breaks off")
