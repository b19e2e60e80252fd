package rowpack

const (
	unit       = 8       // records take a multiple of this many bytes
	blockUnits = 1 << 15 // units per block: 256 KiB
	maxReused  = 64      // records of up to this many units are reused
	maxBlocks  = 1<<32/blockUnits - 1
)

// ref names a record: its block times blockUnits, plus its place in the block, plus one. Four bytes address
// 32 GiB.
type ref uint32

// arena allocates records from large blocks, reusing returned ones first. A record too large for a block gets
// one of its own.
type arena struct {
	blocks [][]byte
	used   int // units used in the last block
	free   [maxReused + 1][]ref
}

// units returns the units that a record of size bytes takes.
func units(size int) int { return (size + unit - 1) / unit }

// from returns the memory from a record on; the record itself says how long it is.
func (a *arena) from(r ref) []byte {
	r--
	return a.blocks[r/blockUnits][r%blockUnits*unit:]
}

// take returns a record with room for size bytes, not cleared.
func (a *arena) take(size int) (ref, []byte) {
	n := units(size)
	if n <= maxReused {
		if free := a.free[n]; len(free) > 0 {
			r := free[len(free)-1]
			a.free[n] = free[:len(free)-1]
			return r, a.from(r)[:n*unit]
		}
	}
	if len(a.blocks) == 0 || a.used+n > blockUnits {
		if len(a.blocks) == maxBlocks {
			panic("rowpack: one table cannot hold more than 32 GiB of rows: divide the log into more parts")
		}
		a.blocks = append(a.blocks, make([]byte, max(blockUnits, n)*unit))
		a.used = 0
	}
	r := ref((len(a.blocks)-1)*blockUnits+a.used) + 1
	a.used += n
	return r, a.from(r)[:n*unit]
}

// give returns a record of size bytes for reuse.
func (a *arena) give(r ref, size int) {
	if n := units(size); n <= maxReused {
		a.free[n] = append(a.free[n], r)
	}
}
