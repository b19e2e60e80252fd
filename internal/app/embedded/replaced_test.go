package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/sqlite"
)

// placeOne tries to append one order.
func placeOne(t *testing.T, f *Folder) error {
	t.Helper()
	e, err := event.New(order.Placed{OrderID: "late", Total: 1})
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.OccurredAt = "late", 1
	return f.Events.Append(t.Context(), order.Stream("late"), 0, []event.Event{e})
}

func TestRemovedPartStopsAppendsAndIsNamed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	for name, part := range map[string]string{
		"events.db": health.PartEventStore, "control.db": health.PartReadModel, "log.db": health.PartLogLag, "log": health.PartLogLag,
	} {
		for how, do := range map[string]func(path string) error{
			"removed":  os.RemoveAll,
			"replaced": func(path string) error { return errors.Join(os.Rename(path, path+".bak"), copyTree(path+".bak", path)) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				f := openFolder(t)
				place(t, f, 2)
				settled(t, f)
				if err := do(filepath.Join(f.Dir, name)); err != nil {
					t.Fatal(err)
				}
				if err := placeOne(t, f); !isReplaced(err) || fault.ClassOf(err) != fault.Infra {
					t.Errorf("append: %v", err)
				}
				if got := partOf(t, f, part); got.Status != health.Failing || !strings.Contains(got.Detail, name) || !strings.Contains(got.Detail, "stop the server") {
					t.Errorf("health: %+v", got)
				}
			})
		}
	}
}

// copyTree copies a file or a folder.
func copyTree(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

func TestRenamedFolderStopsAppends(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open folder cannot be renamed there")
	}
	f := openFolder(t)
	place(t, f, 2)
	moved := f.Dir + "-moved"
	if err := os.Rename(f.Dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := placeOne(t, f); !isReplaced(err) {
		t.Errorf("append: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.Dir); err == nil {
		t.Error("the folder was made anew")
	}
	if head, err := openFolderAt(t, moved).Events.Head(t.Context()); err != nil || head != 2 {
		t.Errorf("%d events, %v", head, err)
	}
}

func TestRebuildRefusesControlRecordsTheServerDoesNotSee(t *testing.T) {
	t.Parallel()
	if !locks || runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	dir := filepath.Join(t.TempDir(), "data")
	server, err := OpenServer(t.Context(), ServeOptions{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { server.unlock(); server.folder.Close(); server.listener.Close() }()
	control := filepath.Join(dir, "control.db")
	if err := os.Rename(control, control+".bak"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(t.Context(), dir); !errors.Is(err, sqlite.ErrReplaced) {
		t.Errorf("opening without control records: %v", err)
	}
	if err := copyTree(control+".bak", control); err != nil {
		t.Fatal(err)
	}
	f := openFolderAt(t, dir)
	if _, err := f.Rebuild(t.Context(), rebuild.Request{Projection: readmodel.OrdersName}, operator.RebuildOptions{}); !errors.Is(err, sqlite.ErrReplaced) {
		t.Errorf("rebuilding: %v", err)
	}
}

func TestDroppedVersionIsNoReplacedFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	server := openFolder(t)
	place(t, server, 2)
	settled(t, server) // and so version 1 is open
	other := openFolderAt(t, server.Dir)
	if _, err := other.Rebuild(t.Context(), rebuild.Request{Projection: readmodel.OrdersName}, operator.RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.CleanUp(t.Context(), readmodel.OrdersName, false); err != nil {
		t.Fatal(err)
	}
	if err := server.tablesInPlace(t.Context()); err != nil {
		t.Errorf("after a cleanup: %v", err)
	}
	server.Pointers.Forget(readmodel.OrdersName)
	place(t, server, 1)
	settled(t, server) // and so version 2 is
	for _, active := range []string{"orders-v2.db", "orders-v2.filled.db"} {
		if err := os.RemoveAll(filepath.Join(server.Dir, "readmodels", active)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.tablesInPlace(t.Context()); !isReplaced(err) {
		t.Errorf("after the active version was removed: %v", err)
	}
}

func TestSecondServerIsKeptOutWhateverIsRemovedOrRenamed(t *testing.T) {
	t.Parallel()
	if !locks || runtime.GOOS == "windows" {
		t.Skip("an open folder cannot be renamed there")
	}
	dir := filepath.Join(t.TempDir(), "data")
	server, err := OpenServer(t.Context(), ServeOptions{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	open := func(dir string) error {
		second, err := OpenServer(t.Context(), ServeOptions{Dir: dir, Addr: "127.0.0.1:0"})
		if err == nil {
			second.unlock()
			err = errors.Join(second.folder.Close(), second.listener.Close(), fmt.Errorf("%s was opened", dir))
		}
		return err
	}
	for _, pattern := range []string{"*.lock", servingFile} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := open(dir); err == nil || !strings.Contains(err.Error(), "being served") {
		t.Errorf("after files were removed: %v", err)
	}
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := open(moved); err == nil || !strings.Contains(err.Error(), "being served") {
		t.Errorf("after the folder was renamed: %v", err)
	}
	server.unlock()
	if err := errors.Join(server.folder.Close(), server.listener.Close()); err != nil {
		t.Error(err)
	}
}

func TestServerListensAndReportsItsAddress(t *testing.T) {
	t.Parallel()
	s, err := OpenServer(t.Context(), ServeOptions{Dir: filepath.Join(t.TempDir(), "data"), Addr: "0.0.0.0:0", OpsAddr: "127.0.0.1:0", Callers: callers.Options{Everybody: true}})
	if err != nil {
		t.Fatal(err)
	}
	if addr, ok := s.listener.Addr().(*net.TCPAddr); !ok || addr.IP.To4() == nil || !strings.HasPrefix(addr.String(), "0.0.0.0:") {
		t.Errorf("it listens on %s", s.listener.Addr())
	}
	if got := OpsURL(s.options.Dir); got != "http://"+s.ops.Addr().String() {
		t.Errorf("operators look at %s, the folder says %q", s.ops.Addr(), got)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if got := OpsURL(s.options.Dir); got != "" {
		t.Errorf("no server has it: %s", got)
	}
}
