package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// openFiles are the files below a folder that this process has open.
func openFiles(t *testing.T, dir string) []string {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, d := range descriptors {
		if name, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && strings.HasPrefix(name, dir) {
			files = append(files, name)
		}
	}
	return files
}

func TestCloseLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := OpenEvents(t.Context(), filepath.Join(dir, "events.db"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenControl(t.Context(), filepath.Join(dir, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	tables := OpenTables(dir)
	mustCreate(t, tables)
	_, err = tables.Write(t.Context(), ordersV1, []projection.Change{row("order-1")})
	err = errors.Join(err,
		s.Append(t.Context(), "order-1", 0, []event.Event{newEvent()}),
		c.SetCheckpoint(t.Context(), "projector", projection.Checkpoint{Cursor: "1"}))
	for range 20 { // on several connections
		_, loadErr := s.Load(t.Context(), "order-1", 0)
		_, listErr := tables.List(t.Context(), ordersV1, "2026-01-24", "", 10)
		err = errors.Join(err, loadErr, listErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(openFiles(t, dir)) == 0 {
		t.Fatal("the test does not see open files")
	}
	if err := errors.Join(s.Close(), c.Close(), tables.Close()); err != nil {
		t.Fatal(err)
	}
	if files := openFiles(t, dir); len(files) > 0 {
		t.Errorf("still open: %v", files)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("write-ahead logs were not folded in: %v, %v", entries, err)
	}
}

func TestADroppedTableIsNotHeldOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tables := newTables(t, dir)
	mustCreate(t, tables)
	if _, err := tables.Write(t.Context(), ordersV1, []projection.Change{row("order-1")}); err != nil {
		t.Fatal(err)
	}
	if err := tables.Drop(t.Context(), ordersV1); err != nil {
		t.Fatal(err)
	}
	if files := openFiles(t, dir); len(files) > 0 {
		t.Errorf("still open: %v", files)
	}
}

// withoutOverride runs f on a thread that permissions hold for, even when root runs the tests.
// The thread ends with f.
func withoutOverride(t *testing.T, f func()) {
	t.Helper()
	const (
		version     = 0x20080522 // of the structures, three of them
		dacOverride = 1<<1 | 1<<2
	)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		header := struct {
			version uint32
			pid     int32
		}{version, 0}
		var sets [2]struct{ effective, permitted, inheritable uint32 }
		_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0)
		if errno == 0 {
			sets[0].effective &^= dacOverride
			_, _, errno = syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0)
		}
		if errno != 0 {
			done <- errno
			return
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatMayNotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := filepath.Join(dir, "old.db")
	s, err := OpenEvents(t.Context(), old)
	if err == nil {
		err = s.Close()
	}
	if err = errors.Join(err, os.Chmod(old, 0o400), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	withoutOverride(t, func() {
		path := filepath.Join(dir, "new.db")
		for kind, err := range openEach(t.Context(), path, 0) {
			t.Log(kind, err)
			wantClear(t, err, path, "check that its folder is there and may be written", fault.Infra)
		}
		_, err := OpenEvents(t.Context(), old)
		t.Log(err)
		if err == nil || !strings.Contains(err.Error(), old) || !strings.Contains(err.Error(), "written") {
			t.Errorf("a file that may only be read: %v", err)
		}
		if fault.ClassOf(err) != fault.Infra {
			t.Errorf("%v is %s", err, fault.ClassOf(err))
		}
		err = OpenTables(dir).Create(t.Context(), ordersV1)
		wantClear(t, err, "orders-v1.db", "may be written", fault.Infra)
	})
}
