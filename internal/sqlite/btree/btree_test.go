package btree_test

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"gakushoku/internal/sqlite/btree"
)

// row is one row of the test's table.
type row struct {
	id     int64
	name   string
	number int64
	data   string
}

// newFile lets SQLite make a file with a table and an index, both empty.
func newFile(t require, path string) (table, index, pages uint32) {
	db := open(t, path)
	defer db.Close()
	if _, err := db.Exec("PRAGMA page_size=4096; CREATE TABLE t (name TEXT, number INTEGER, empty TEXT, data TEXT) STRICT; CREATE INDEX i ON t (name, number)"); err != nil {
		t.Fatal(err)
	}
	err := db.QueryRow("SELECT (SELECT rootpage FROM sqlite_master WHERE name = 't'), (SELECT rootpage FROM sqlite_master WHERE name = 'i'), (SELECT page_count FROM pragma_page_count)").Scan(&table, &index, &pages)
	if err != nil {
		t.Fatal(err)
	}
	return table, index, pages
}

type require interface{ Fatal(...any) }

func open(t require, path string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=journal_mode(MEMORY)")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// build writes rows and their index into the file at path.
func build(path string, table, index, pages uint32, rows []row) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	var content bytes.Buffer
	leaves := btree.NewLeaves(&content)
	var record btree.Record
	for _, r := range rows {
		record.Reset()
		record.Text(r.name)
		record.Int(r.number)
		record.Null()
		record.TextBytes([]byte(r.data))
		if err := leaves.Add(r.id, record.Bytes()); err != nil {
			return err
		}
	}
	counts, err := leaves.Close()
	if err != nil {
		return err
	}
	out := btree.NewPages(file, pages+1)
	if err := place(file, out, table, counts, content.Bytes(), rows); err != nil {
		return err
	}
	if err := buildIndex(out, index, rows); err != nil {
		return err
	}
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], out.End())
	_, err = file.WriteAt(size[:], 28)
	return err
}

// place puts the leaves into the file and the table above them.
func place(file *os.File, out *btree.Pages, root uint32, counts []uint16, content []byte, rows []row) error {
	if len(counts) == 0 {
		return nil
	}
	if len(counts) == 1 {
		_, err := file.WriteAt(content, int64(root-1)*btree.PageSize)
		return err
	}
	table, pages, done := btree.NewTable(out, root), out.Reserve(len(counts)), 0
	for i, count := range counts {
		done += int(count)
		table.Add(pages.Nth(i), rows[done-1].id)
		if _, err := file.WriteAt(content[i*btree.PageSize:(i+1)*btree.PageSize], int64(pages.Nth(i)-1)*btree.PageSize); err != nil {
			return err
		}
	}
	return table.Close()
}

func buildIndex(out *btree.Pages, root uint32, rows []row) error {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.number, b.number), cmp.Compare(a.id, b.id))
	})
	x := btree.NewIndex(out, root)
	var record btree.Record
	for _, r := range rows {
		record.Reset()
		record.Text(r.name)
		record.Int(r.number)
		record.Int(r.id)
		if err := x.Add(record.Bytes()); err != nil {
			return err
		}
	}
	return x.Close()
}

// check has SQLite check the file, and reads everything through it, by the table and by the
// index.
func check(t require, path string, rows []row) {
	db := open(t, path)
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check(5)").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatal(len(rows), " rows: ", verdict, err)
	}
	found, err := db.Query("SELECT rowid, name, number, data FROM t WHERE empty IS NULL ORDER BY rowid")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	n := 0
	for ; found.Next(); n++ {
		var got row
		if err := found.Scan(&got.id, &got.name, &got.number, &got.data); err != nil || n >= len(rows) || got != rows[n] {
			t.Fatal("row ", n, " is ", got, err)
		}
	}
	if n != len(rows) || found.Err() != nil {
		t.Fatal(n, " rows came, want ", len(rows), found.Err())
	}
	for i := 0; i < len(rows); i += 1 + len(rows)/50 {
		var id int64
		if err := db.QueryRow("SELECT max(rowid) FROM t INDEXED BY i WHERE name = ? AND number = ?", rows[i].name, rows[i].number).Scan(&id); err != nil || id < rows[i].id {
			t.Fatal("by the index, row ", rows[i].id, " is ", id, err)
		}
	}
	// SQLite goes on with what was written.
	if _, err := db.Exec("INSERT INTO t SELECT name || 'x', number, NULL, data FROM t; DELETE FROM t WHERE rowid % 3 = 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("PRAGMA integrity_check(5)").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatal(len(rows), " rows, written on: ", verdict, err)
	}
}

func TestSQLiteTakesWhatIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		table, index, pages := newFile(rt, path)
		count := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 7, 10, 30, 31, 100, 600, 1500}).Draw(rt, "rows")
		longest := rapid.SampledFrom([]int{0, 10, 300, btree.MaxIndexPayload - 30}).Draw(rt, "longest name")
		largest := rapid.SampledFrom([]int{0, 40, 800, 2900}).Draw(rt, "largest data")
		step := rapid.SampledFrom([]int64{1, 100, 1 << 40}).Draw(rt, "step")
		seed := rapid.Uint64().Draw(rt, "seed")
		rows := make([]row, count)
		for i := range rows {
			seed = seed*6364136223846793005 + 1442695040888963407
			rows[i] = row{
				id: int64(i+1) * step, name: strings.Repeat("n", int(seed>>33)%(longest+1)) + fmt.Sprint(seed>>50),
				number: int64(seed) >> (seed >> 58), data: strings.Repeat("学", int(seed>>40)%(largest+1)/3),
			}
		}
		if err := build(path, table, index, pages, rows); err != nil {
			rt.Fatal(err)
		}
		check(rt, path, rows)
		os.Remove(path)
	})
}

func TestPagesOfAnyFillLeaveNoChildAlone(t *testing.T) {
	t.Parallel()
	// Names of this size make an index four entries wide: every shape of tree comes up.
	for count := range 180 {
		path := filepath.Join(t.TempDir(), "db")
		table, index, pages := newFile(t, path)
		rows := make([]row, count)
		for i := range rows {
			rows[i] = row{id: int64(i + 1), name: fmt.Sprintf("%0*d", btree.MaxIndexPayload-20, i), number: 1, data: strings.Repeat("d", 2000)}
		}
		if err := build(path, table, index, pages, rows); err != nil {
			t.Fatal(err)
		}
		check(t, path, rows)
	}
}

func TestIntegersAreAsSQLiteWritesThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	table, index, pages := newFile(t, path)
	var rows []row
	for shift := range 64 {
		for _, v := range []int64{1 << shift, 1<<shift - 1, -1 << shift, -(1 << shift) - 1} {
			rows = append(rows, row{id: int64(len(rows) + 1), name: "n", number: v})
		}
	}
	if err := build(path, table, index, pages, rows); err != nil {
		t.Fatal(err)
	}
	check(t, path, rows)
}

func TestTheLockPageIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, start := range []uint32{btree.LockPage - 3, btree.LockPage - 1, btree.LockPage} {
		pages := btree.NewPages(nil, start)
		seen := map[uint32]bool{}
		for _, count := range []int{2, 1, 0, 5, 1} {
			r := pages.Reserve(count)
			for i := range count {
				page := r.Nth(i)
				if page == btree.LockPage || seen[page] {
					t.Errorf("from %d: page %d was given out", start, page)
				}
				seen[page] = true
			}
		}
		if end := pages.End(); end != start+9 {
			t.Errorf("from %d: nine pages and the one left out end at %d", start, end)
		}
	}
}

func TestWhatNeedsOverflowPagesIsRefused(t *testing.T) {
	t.Parallel()
	leaves := btree.NewLeaves(&bytes.Buffer{})
	if err := leaves.Add(1, make([]byte, btree.MaxTablePayload)); err != nil {
		t.Error(err)
	}
	if err := leaves.Add(2, make([]byte, btree.MaxTablePayload+1)); err == nil {
		t.Error("a row that needs an overflow page was taken")
	}
	x := btree.NewIndex(btree.NewPages(nil, 10), 1)
	if err := x.Add(make([]byte, btree.MaxIndexPayload)); err != nil {
		t.Error(err)
	}
	if err := x.Add(make([]byte, btree.MaxIndexPayload+1)); err == nil {
		t.Error("an entry that needs an overflow page was taken")
	}
}
