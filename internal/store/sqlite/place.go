package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"modernc.org/sqlite"

	"gakushoku/internal/fault"
)

// ErrReplaced says that the file of a store is no longer the one at its path: somebody has removed,
// moved, replaced or overwritten it while it was open. SQLite itself goes on, in a file that others
// do not see, and its write-ahead log, which it finds by name, would ruin what was put in place. So
// nothing more is written; whoever has the store open must end and open it again.
var ErrReplaced = errors.New("the file was removed or replaced while it was in use: stop whatever has it open, then start it again")

// place is what a database knows of its file, to notice that its path leads to another one.
type place struct {
	file, wal, shm fs.FileInfo // as they were opened; nil before that

	mu       sync.Mutex
	lost     error // ErrReplaced, for good
	occupied bool  // and the path leads to the same file, with what another one held
	cleared  bool  // nothing of ours is at the path any more
	seen     look  // the file when its content was last known to be ours
	// unread is since when the content could not be read.
	unread time.Time
}

// look is what shows that something was written to a file, and how far its content had come.
type look struct {
	size    int64
	changed time.Time
	content content
}

// content is what the file itself holds, without its write-ahead log. Grown never decreases.
type content struct {
	folder string
	grown  int64
}

// settle takes the files at the path as the ones that were opened.
func (d *database) settle() (err error) {
	if d.place.file, err = os.Stat(d.path); err != nil {
		return err
	}
	if d.place.wal, err = os.Stat(d.path + "-wal"); err != nil {
		return err
	}
	if d.place.shm, err = os.Stat(d.path + "-shm"); errors.Is(err, fs.ErrNotExist) {
		err = nil // not every system has it as a file
	}
	if err == nil {
		d.place.seen, err = d.initialLook()
	}
	return err
}

// initialLook reads the content of a file that has just been opened. A file that can only be read with
// its write-ahead log has no content yet.
func (d *database) initialLook() (look, error) {
	now, err := os.Stat(d.path)
	if err != nil {
		return look{}, err
	}
	found, err := d.content()
	if err != nil {
		found, err = content{}, d.readable()
	}
	return look{now.Size(), now.ModTime(), found}, err
}

// inPlace fails with ErrReplaced when the path no longer leads to the file that is open. Then
// nothing of ours stays there, so that it cannot be taken for a part of what was put in place.
func (d *database) inPlace() error {
	err := d.look()
	if !errors.Is(err, ErrReplaced) {
		return err
	}
	select {
	case d.lock <- struct{}{}:
		defer func() { <-d.lock }()
		d.letGo()
	default: // the transaction under way will see it too
	}
	return err
}

// look compares the files at the path with those that are open. It costs three calls of stat,
// and more only after a checkpoint.
func (d *database) look() error {
	p := &d.place
	if p.file == nil {
		return nil // it is being opened
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := d.lookAt(d.path, p.file)
	if err == nil {
		err = d.lookAt(d.path+"-wal", p.wal)
	}
	if err == nil {
		err = d.lookAt(d.path+"-shm", p.shm)
	}
	return err
}

// glance is look at the file only: one call of stat.
func (d *database) glance() error {
	if d.place.file == nil {
		return nil
	}
	d.place.mu.Lock()
	defer d.place.mu.Unlock()
	return d.lookAt(d.path, d.place.file)
}

// lookAt compares one of the files. The caller holds the mutex.
func (d *database) lookAt(path string, was fs.FileInfo) error {
	p := &d.place
	if p.lost != nil || was == nil {
		return p.lost
	}
	now, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.lose(path, "is not there any more")
	case err != nil:
		return fault.Unavailable(err)
	case !os.SameFile(now, was):
		return p.lose(path, "is another file than the one that was opened")
	case was == p.file:
		return d.lookInto(now)
	}
	return nil
}

// lose notes that the file is not ours any more.
func (p *place) lose(path, what string) error {
	p.lost = fault.Unavailable(fmt.Errorf("%s %s: %w", path, what, ErrReplaced))
	return p.lost
}

// unreadLimit is how long a file may be unreadable, even with its write-ahead log, after the last write.
const unreadLimit = time.Second

// lookInto notices that the same file holds other content: an older state of it, or that of
// another file, copied over it. That is looked at when the file has changed, as each checkpoint
// changes it too. What it cannot see is a copy that holds all that had been checkpointed.
func (d *database) lookInto(now fs.FileInfo) error {
	p := &d.place
	if now.Size() == p.seen.size && now.ModTime().Equal(p.seen.changed) {
		return nil
	}
	if now.Size() < p.seen.size {
		p.occupied = true
		return p.lose(d.path, "was overwritten")
	}
	found, err := d.content()
	again, gone := os.Stat(d.path)
	switch {
	case gone != nil || again.Size() != now.Size() || !again.ModTime().Equal(now.ModTime()):
		return nil // another process is writing; the next look sees the result
	case err != nil && d.readable() == nil:
		found = p.seen.content // the look after the next checkpoint may see more
	case err != nil:
		if p.unread.IsZero() || now.ModTime().After(p.unread) {
			p.unread = time.Now()
		}
		if time.Since(p.unread) < unreadLimit {
			return nil
		}
		p.occupied = true
		return p.lose(d.path, "was overwritten with what cannot be read")
	case p.seen.content.folder != "" && found.folder != p.seen.content.folder || found.grown < p.seen.content.grown:
		p.occupied = true
		return p.lose(d.path, "was overwritten with another or an older file")
	}
	p.unread, p.seen = time.Time{}, look{now.Size(), now.ModTime(), found}
	return nil
}

// content reads the file without its write-ahead log. That fails in the middle of a checkpoint: while
// one is under way, after a process died in one, and for as long as a reader keeps one from copying
// the newest pages. The file is read through SQLite, because closing a file that was opened in another
// way would end this process's locks on it.
func (d *database) content() (content, error) { return d.contentBy("immutable=1&mode=ro") }

// readable reports, as nil, that the file can be read together with its write-ahead log.
func (d *database) readable() error {
	_, err := d.contentBy("mode=rw")
	return err
}

func (d *database) contentBy(settings string) (c content, err error) {
	db, err := sql.Open("sqlite", dsn(d.path, settings))
	if err != nil {
		return c, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	err = scanIfThere(db, "folder", "SELECT coalesce(max(id), '') FROM folder", &c.folder)
	if g := grown[d.kind]; err == nil && g.table != "" {
		err = scanIfThere(db, g.table, g.query, &c.grown)
	}
	return c, err
}

// grown is what never decreases in a file of each kind.
var grown = map[kind]struct{ table, query string }{
	eventsFile:  {"events", "SELECT coalesce(max(position), 0) FROM events"},
	controlFile: {"pointers", "SELECT coalesce(sum(changes), 0) FROM pointers"},
	ledgerFile:  {"segments", "SELECT coalesce(max(last), 0) FROM segments"},
}

// querier is a pool of connections, or one of them.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scanIfThere(db querier, table, query string, into any) error {
	var there bool
	ctx := context.Background()
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)", table).Scan(&there)
	if err == nil && there {
		err = db.QueryRowContext(ctx, query).Scan(into)
	}
	return err
}

// letGo takes what is ours away from the path, once. The caller holds the lock. What is only in
// the write-ahead log goes into the file that was opened, wherever that is now: it is written by
// its descriptor. Where the same file was overwritten that would mix two states, and the log is
// only moved aside.
func (d *database) letGo() {
	p := &d.place
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost == nil || p.cleared {
		return
	}
	p.cleared = true
	if !p.occupied {
		d.write.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)") //nolint:errcheck // the log is moved aside then
	}
	for path, was := range map[string]fs.FileInfo{d.path + "-wal": p.wal, d.path + "-shm": p.shm} {
		now, err := os.Stat(path)
		switch {
		case err != nil || was == nil || !os.SameFile(now, was):
		case was == p.wal && now.Size() > 0:
			os.Rename(path, fmt.Sprintf("%s.replaced-%d", path, time.Now().Unix())) //nolint:errcheck // nothing more can be done
		default:
			os.Remove(path) //nolint:errcheck // nothing more can be done
		}
	}
}

// guarded opens connections only while the path leads to the file that is open.
type guarded struct {
	driver.Connector
	db *database
}

// Connect is driver.Connector.
func (g guarded) Connect(ctx context.Context) (driver.Conn, error) {
	if err := g.db.look(); err != nil {
		return nil, err
	}
	return g.Connector.Connect(ctx)
}

// openPool opens the connections that read.
func (d *database) openPool(name string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(guarded{connector, d}), nil
}

// replaced reports whether it is known that the file is not ours any more.
func (d *database) replaced() bool {
	d.place.mu.Lock()
	defer d.place.mu.Unlock()
	return d.place.lost != nil
}
