package btree

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Leaves packs rows into leaf pages of a table, one after the other. Where the pages will be
// in a file is open.
type Leaves struct {
	w      io.Writer
	node   node
	counts []uint16 // of rows in each page
}

// NewLeaves writes pages to w, which should buffer them.
func NewLeaves(w io.Writer) *Leaves {
	l := &Leaves{w: w}
	l.node.reset(leafTable)
	return l
}

// Add adds a row, whose payload has at most MaxTablePayload bytes. Row ids must ascend.
func (l *Leaves) Add(rowID int64, payload []byte) error {
	if len(payload) > MaxTablePayload {
		return fmt.Errorf("a row of %d bytes needs an overflow page", len(payload))
	}
	size := varintLen(uint64(len(payload))) + varintLen(uint64(rowID)) + len(payload)
	cell := l.node.cell(size)
	if cell == nil {
		if err := l.flush(); err != nil {
			return err
		}
		cell = l.node.cell(size)
	}
	n := putVarint(cell, uint64(len(payload)))
	n += putVarint(cell[n:], uint64(rowID))
	copy(cell[n:], payload)
	return nil
}

func (l *Leaves) flush() error {
	l.counts = append(l.counts, uint16(l.node.cells))
	_, err := l.w.Write(l.node.finish(0))
	l.node.reset(leafTable)
	return err
}

// Close writes the last page, if there is anything on it, and returns how many rows each page
// has.
func (l *Leaves) Close() ([]uint16, error) {
	if l.node.cells == 0 {
		return l.counts, nil
	}
	err := l.flush()
	return l.counts, err
}

// Pages gives out the pages of a file. It is safe for concurrent use.
type Pages struct {
	file io.WriterAt
	mu   sync.Mutex
	next uint32
}

// NewPages gives out pages of file from the one numbered next on; the first page is 1.
func NewPages(file io.WriterAt, next uint32) *Pages { return &Pages{file: file, next: next} }

// Reserve gives out count pages that follow each other, but for LockPage: Nth says which.
func (p *Pages) Reserve(count int) Range {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == LockPage {
		p.next++
	}
	r := Range{First: p.next, Count: count}
	if count > 0 {
		p.next = r.Nth(count-1) + 1
	}
	return r
}

// End is the number of the last page that was given out.
func (p *Pages) End() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next - 1
}

// Range is pages that follow each other, but for LockPage.
type Range struct {
	First uint32
	Count int
}

// Nth is the number of the nth page, from 0.
func (r Range) Nth(n int) uint32 {
	page := r.First + uint32(n)
	if r.First <= LockPage && page >= LockPage {
		page++
	}
	return page
}

// write writes a page to where it belongs.
func (p *Pages) write(page uint32, content []byte) error {
	_, err := p.file.WriteAt(content, int64(page-1)*PageSize)
	return err
}

// child is a page below an interior one, with the cell that follows it there but for the
// page's number: the key between it and the next. The last child has none.
type child struct {
	page uint32
	key  []byte
}

// tree writes the interior pages above children, the top one as root.
func (p *Pages) tree(root uint32, kind byte, children []child) error {
	for {
		above, err := p.level(root, kind, children)
		if err != nil || above == nil {
			return err
		}
		children = above
	}
}

// level writes one level of interior pages above children and returns them; nil when one was
// enough, which is the root.
func (p *Pages) level(root uint32, kind byte, children []child) (above []child, err error) {
	var n node
	for first := 0; first < len(children); {
		n.reset(kind)
		last := first // it becomes the right child
		for ; last < len(children)-1; last++ {
			key := children[last].key
			cell := n.cell(4 + len(key))
			if cell == nil {
				break
			}
			binary.BigEndian.PutUint32(cell, children[last].page)
			copy(cell[4:], key)
		}
		if last == len(children)-2 {
			// The last child must not be alone on a page without a key.
			last--
			n.pop(4 + len(children[last].key))
		}
		page := root
		if first > 0 || last < len(children)-1 {
			page = p.Reserve(1).First
		}
		if err := p.write(page, n.finish(children[last].page)); err != nil {
			return nil, err
		}
		if page == root {
			return nil, nil
		}
		above = append(above, child{page, children[last].key})
		first = last + 1
	}
	return above, nil
}
