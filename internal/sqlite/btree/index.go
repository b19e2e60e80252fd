package btree

import "fmt"

// Index builds an index of keys that come in their order.
type Index struct {
	pages    *Pages
	root     uint32
	leaf     node
	last     []byte // the last cell of leaf
	pending  []byte // the cell that comes next: it may have to be a key above leaves
	children []child
}

// NewIndex builds an index whose root is the page root.
func NewIndex(pages *Pages, root uint32) *Index {
	x := &Index{pages: pages, root: root}
	x.leaf.reset(leafIndex)
	return x
}

// Add adds an entry, a record of at most MaxIndexPayload bytes.
func (x *Index) Add(payload []byte) error {
	if len(payload) > MaxIndexPayload {
		return fmt.Errorf("an index entry of %d bytes needs an overflow page", len(payload))
	}
	if len(x.pending) > 0 && !x.put() {
		// The page is full: the entry goes above it and keeps it from the next.
		if err := x.flush(x.pending); err != nil {
			return err
		}
	}
	x.pending = append(appendVarint(x.pending[:0], uint64(len(payload))), payload...)
	return nil
}

// put puts the pending entry into the leaf; false when that is full.
func (x *Index) put() bool {
	cell := x.leaf.cell(len(x.pending))
	if cell == nil {
		return false
	}
	copy(cell, x.pending)
	x.last = cell
	return true
}

// flush writes the leaf, which key keeps from the next.
func (x *Index) flush(key []byte) error {
	page := x.pages.Reserve(1).First
	x.children = append(x.children, child{page, append([]byte(nil), key...)})
	err := x.pages.write(page, x.leaf.finish(0))
	x.leaf.reset(leafIndex)
	return err
}

// Close writes what is left. An index without entries is left as it is.
func (x *Index) Close() error {
	if len(x.pending) == 0 {
		return nil
	}
	if !x.put() {
		// It needs a page of its own: the entry before it goes above.
		key := append([]byte(nil), x.last...)
		x.leaf.pop(len(key))
		if err := x.flush(key); err != nil {
			return err
		}
		x.put()
	}
	if len(x.children) == 0 {
		return x.pages.write(x.root, x.leaf.finish(0))
	}
	page := x.pages.Reserve(1).First
	if err := x.pages.write(page, x.leaf.finish(0)); err != nil {
		return err
	}
	return x.pages.tree(x.root, interiorIndex, append(x.children, child{page: page}))
}

// Table builds the interior pages of a table whose leaves are laid out elsewhere.
type Table struct {
	pages    *Pages
	root     uint32
	children []child
}

// NewTable builds a table whose root is the page root.
func NewTable(pages *Pages, root uint32) *Table { return &Table{pages: pages, root: root} }

// Add adds a leaf, whose largest row id is last.
func (t *Table) Add(page uint32, last int64) {
	t.children = append(t.children, child{page, appendVarint(nil, uint64(last))})
}

// Close writes the interior pages. There must be two leaves: one alone is the root itself.
func (t *Table) Close() error {
	t.children[len(t.children)-1].key = nil
	return t.pages.tree(t.root, interiorTable, t.children)
}
