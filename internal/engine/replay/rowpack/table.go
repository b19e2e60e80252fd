package rowpack

import (
	"encoding/binary"
	"iter"
	"unsafe"
)

// Table stores packed values by string key: a hash index over an arena of records. Its only pointers are
// those to its blocks. It is not safe for concurrent use.
type Table struct {
	slots []slot // a power of two, linear probing
	count int
	arena arena
}

// slot is one place in the index. Its ref is 0 while it is empty.
type slot struct {
	hash uint32
	ref  ref
}

// Entry is a place in the table, valid until the next Put.
type Entry struct {
	Key    string
	Value  []byte // nil if the key is not there
	at     int    // index in slots
	record []byte // the whole record
}

// firstSlots is the size of a new index.
const firstSlots = 64

// Len returns the number of keys.
func (t *Table) Len() int { return t.count }

// Bytes returns how much memory the table has allocated.
func (t *Table) Bytes() int64 {
	const slotBytes = 8
	total := int64(len(t.slots)) * slotBytes
	for _, block := range t.arena.blocks {
		total += int64(len(block))
	}
	return total
}

// Get looks key up. Hash must be a good 32-bit hash of key, the same on every call.
func (t *Table) Get(key string, hash uint32) Entry {
	if t.slots == nil {
		t.slots = make([]slot, firstSlots)
	}
	mask := len(t.slots) - 1
	for at := int(hash) & mask; ; at = (at + 1) & mask {
		s := t.slots[at]
		if s.ref == 0 {
			return Entry{at: at}
		}
		if s.hash != hash {
			continue
		}
		if e := t.entry(s.ref); e.Key == key {
			e.at = at
			return e
		}
	}
}

// entry reads a record: the lengths of key and value, then both, rounded up to units.
func (t *Table) entry(r ref) Entry {
	record := t.arena.from(r)
	keySize, n := binary.Uvarint(record)
	valueSize, m := binary.Uvarint(record[n:])
	key, value := n+m, n+m+int(keySize)
	end := value + int(valueSize)
	return Entry{
		Key:    unsafe.String(&record[key], int(keySize)),
		Value:  record[value:end:end],
		record: record[:units(end)*unit],
	}
}

// Put stores value under key, in the entry that Get returned. Key and value must not share memory with the
// entry.
func (t *Table) Put(e Entry, key string, hash uint32, value []byte) {
	var room [2 * binary.MaxVarintLen64]byte
	head := binary.AppendUvarint(room[:0], uint64(len(key)))
	head = binary.AppendUvarint(head, uint64(len(value)))
	size := len(head) + len(key) + len(value)
	if e.record != nil && units(size) == units(len(e.record)) {
		fill(e.record, head, key, value)
		return
	}
	r, record := t.arena.take(size)
	fill(record, head, key, value)
	if e.record != nil {
		t.arena.give(t.slots[e.at].ref, len(e.record))
		t.slots[e.at].ref = r
		return
	}
	t.slots[e.at] = slot{hash, r}
	t.count++
	if t.count*4 > len(t.slots)*3 {
		t.grow()
	}
}

func fill(record, head []byte, key string, value []byte) {
	n := copy(record, head)
	n += copy(record[n:], key)
	copy(record[n:], value)
}

func (t *Table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	mask := len(t.slots) - 1
	for _, s := range old {
		if s.ref == 0 {
			continue
		}
		at := int(s.hash) & mask
		for t.slots[at].ref != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}

// All returns every entry and a reference to it, in any order. The table must not change meanwhile.
func (t *Table) All() iter.Seq2[Ref, Entry] {
	return func(yield func(Ref, Entry) bool) {
		for _, s := range t.slots {
			if s.ref != 0 && !yield(Ref(s.ref), t.entry(s.ref)) {
				return
			}
		}
	}
}

// Ref refers to an entry until the next Put.
type Ref uint32

// At returns the entry that a reference from All refers to.
func (t *Table) At(r Ref) Entry { return t.entry(ref(r)) }
