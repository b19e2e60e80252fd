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

// ErrReplaced means that a store's file is no longer the one at its path: it was removed, moved, replaced or
// overwritten while it was open. SQLite itself would go on in a file that other processes do not see, and its
// write-ahead log, which it finds by name, would corrupt the new file. So the store writes no more; its user
// must close it and open it again.
var ErrReplaced = errors.New("the file was removed or replaced while it was in use: stop whatever has it open, then start it again")

// place is what a database knows about its file, to notice that its path leads to another one.
type place struct {
	file, wal, shm fs.FileInfo // as they were opened; nil before that

	mu       sync.Mutex
	lost     error // ErrReplaced, permanently
	occupied bool  // the path leads to the same file, but with another file's content
	cleared  bool  // our files have been removed from the path
	seen     look  // the file when its content was last known to be ours
	// unread is when the content became unreadable.
	unread time.Time
}

// look is what shows whether a file was written to, and how far its content has come.
type look struct {
	size    int64
	changed time.Time
	content content
}

// content is what the file itself holds, without its write-ahead log. grown never decreases.
type content struct {
	folder string
	grown  int64
}

// settle records the files at the path as the ones that were opened.
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

// initialLook reads the content of a file that has just been opened. A file that can be read only with its
// write-ahead log has no content yet.
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

// inPlace fails with ErrReplaced if the path no longer leads to the open file. In that case it removes our
// files from the path, so that they are not taken for parts of the new file.
func (d *database) inPlace() error {
	err := d.look()
	if !errors.Is(err, ErrReplaced) {
		return err
	}
	select {
	case d.lock <- struct{}{}:
		defer func() { <-d.lock }()
		d.letGo()
	default: // the transaction under way will notice too
	}
	return err
}

// look compares the files at the path with the open ones. It costs three calls of stat, and more only after a
// checkpoint.
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

// glance is look for the file only: one call of stat.
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

// lose records that the file is no longer ours.
func (p *place) lose(path, what string) error {
	p.lost = fault.Unavailable(fmt.Errorf("%s %s: %w", path, what, ErrReplaced))
	return p.lost
}

// unreadLimit is how long after the last write a file may be unreadable, even with its write-ahead log.
const unreadLimit = time.Second

// lookInto notices that the same file has other content: an older state of it, or another file copied over
// it. It checks when the file has changed, since each checkpoint changes it too. It cannot detect a copy that
// holds everything that had been checkpointed.
func (d *database) lookInto(now fs.FileInfo) error {
	p := &d.place
	if now.Size() == p.seen.size && now.ModTime().Equal(p.seen.changed) {
		return nil
	}
	if now.Size() < p.seen.size && !d.mayShrink() { // those that may show by their content what they are
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

// content reads the file without its write-ahead log. That fails in the middle of a checkpoint: while one is
// under way, after a process died in one, and for as long as a reader prevents copying the newest pages. It
// reads the file through SQLite, because closing a file that was opened in another way would release this
// process's locks on it.
func (d *database) content() (content, error) { return d.contentBy("immutable=1&mode=ro") }

// readable returns nil if the file can be read together with its write-ahead log.
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

// letGo removes our files from the path, once. The caller holds the lock. It moves what is only in the
// write-ahead log into the file that was opened, wherever that is now, since SQLite writes to it by its
// descriptor. If the same file was overwritten, that would mix two states, so the log is only renamed.
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

// guarded opens connections only while the path leads to the open file.
type guarded struct {
	driver.Connector
	db *database
}

// Connect implements driver.Connector.
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

// replaced reports whether the file is known to be no longer ours.
func (d *database) replaced() bool {
	d.place.mu.Lock()
	defer d.place.mu.Unlock()
	return d.place.lost != nil
}
