// Package btree writes the pages of SQLite's b-trees, so that a table of a million rows and
// its indexes can be laid out at the speed of copying, from many goroutines, where SQLite would
// take them row by row on one. It knows pages and cells only: the file around them is made by
// SQLite itself, which also reads and writes it afterwards. The format is that of
// https://www.sqlite.org/fileformat2.html, which promises not to change. What needs overflow
// pages is not for this package.
package btree

import "encoding/binary"

// PageSize is the size of the pages that are written, SQLite's usual one.
const PageSize = 4096

// The longest payloads that need no overflow page.
const (
	MaxTablePayload = PageSize - 35
	MaxIndexPayload = (PageSize-12)*64/255 - 23
)

// LockPage is the page that SQLite never uses: its locks lie there, at 1 GiB.
const LockPage = 1<<30/PageSize + 1

// The kinds of pages, by their first byte.
const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13
)

// node is a page that is being filled: the array of offsets grows up, the cells grow down.
type node struct {
	page  [PageSize]byte
	kind  byte
	cells int
	top   int // where the last cell begins
}

func (n *node) reset(kind byte) {
	clear(n.page[:])
	n.kind, n.cells, n.top = kind, 0, PageSize
}

// header is the size of the page's header.
func (n *node) header() int {
	if n.kind == interiorIndex || n.kind == interiorTable {
		return 12
	}
	return 8
}

// cell makes room for a cell; nil when the page is full.
func (n *node) cell(size int) []byte {
	offset := n.header() + 2*n.cells
	if n.top-size < offset+2 {
		return nil
	}
	n.top -= size
	binary.BigEndian.PutUint16(n.page[offset:], uint16(n.top))
	n.cells++
	return n.page[n.top : n.top+size]
}

// pop takes the last cell, of that size, away.
func (n *node) pop(size int) {
	n.cells--
	clear(n.page[n.top : n.top+size])
	n.top += size
	clear(n.page[n.header()+2*n.cells:][:2])
}

// finish writes the header; right is the last child of an interior page.
func (n *node) finish(right uint32) []byte {
	n.page[0] = n.kind
	binary.BigEndian.PutUint16(n.page[3:], uint16(n.cells))
	binary.BigEndian.PutUint16(n.page[5:], uint16(n.top))
	if n.header() == 12 {
		binary.BigEndian.PutUint32(n.page[8:], right)
	}
	return n.page[:]
}

// putVarint writes v as SQLite does, big end first, seven bits a byte and eight in a ninth.
func putVarint(dst []byte, v uint64) int {
	n := varintLen(v)
	if n == 9 {
		dst[8] = byte(v)
		v >>= 8
		for i := 7; i >= 0; i-- {
			dst[i] = byte(v) | 0x80
			v >>= 7
		}
		return 9
	}
	for i := n - 1; i >= 0; i-- {
		dst[i] = byte(v) | 0x80
		v >>= 7
	}
	dst[n-1] &= 0x7f
	return n
}

func varintLen(v uint64) int {
	n := 1
	for v >>= 7; v > 0 && n < 9; v >>= 7 {
		n++
	}
	return n
}

func appendVarint(dst []byte, v uint64) []byte {
	var b [9]byte
	return append(dst, b[:putVarint(b[:], v)]...)
}
