package drill

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"gakushoku/internal/app/embedded"
	canteendomain "gakushoku/internal/canteen"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/rehearse/loadgen"
	"gakushoku/internal/store/files"
)

// faults are what can go wrong around a running server. They stand between its parts and their ports; the
// zero value does nothing.
type faults struct {
	appending, archiving trouble      // of the event store, of the log's objects
	slow                 atomic.Int64 // how long the clock of commands is behind, in nanoseconds
	disk                 atomic.Pointer[smallDisk]
}

// install puts the faults between a server's parts.
func (f *faults) install(s *embedded.Server, data string) {
	s.Commands.Streams = store{s.Commands.Streams, f}
	now := s.Commands.Now
	s.Commands.Now = func() time.Time { return now().Add(-time.Duration(f.slow.Load())) }
	s.Archiver.Archiver.Blobs = objects{s.Archiver.Archiver.Blobs, f}
	for i := range s.Health.Probes {
		if p := &s.Health.Probes[i]; p.Name == health.PartDisk {
			*p = health.Disk(minDiskFree, func() (uint64, error) {
				if d := f.disk.Load(); d != nil {
					return d.free()
				}
				return files.DiskFree(data)
			})
		}
	}
}

// minDiskFree is what a drill's canteen needs. A drill does not fill a real disk: its own is small.
const minDiskFree = 64 << 20

// trouble delays or fails the calls of a port, once it has begun.
type trouble struct {
	p atomic.Pointer[func(context.Context) error]
}

func (t *trouble) begin(f func(context.Context) error) { t.p.Store(&f) }
func (t *trouble) end()                                { t.p.Store(nil) }

func (t *trouble) meet(ctx context.Context) error {
	if f := t.p.Load(); f != nil {
		return (*f)(ctx)
	}
	return nil
}

// store is an event store that may be in trouble.
type store struct {
	command.Streams
	faults *faults
}

// Append is eventstore.Appender.
func (s store) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	err := s.faults.appending.meet(ctx)
	if err == nil {
		err = s.faults.disk.Load().full()
	}
	if err != nil {
		return fmt.Errorf("append to %s: %w", stream, err)
	}
	return s.Streams.Append(ctx, stream, expected, events)
}

// objects are a log's objects whose disk may be in trouble.
type objects struct {
	eventlog.Blobs
	faults *faults
}

// Put is eventlog.Blobs.
func (o objects) Put(ctx context.Context, key string, data []byte) error {
	err := o.faults.archiving.meet(ctx)
	if err == nil {
		err = o.faults.disk.Load().full()
	}
	if err != nil {
		return fmt.Errorf("putting %s: %w", key, err)
	}
	return o.Blobs.Put(ctx, key, data)
}

// smallDisk is a disk of a given size that holds only one folder.
type smallDisk struct {
	dir  string
	size int64
}

// free returns the free space.
func (d *smallDisk) free() (uint64, error) {
	used, err := sizeOf(d.dir)
	return uint64(max(0, d.size-used)), err
}

// full returns the error of a write when no space is left.
func (d *smallDisk) full() error {
	if d == nil {
		return nil
	}
	free, err := d.free()
	if err == nil && free == 0 {
		err = fault.Unavailable(fmt.Errorf("%s: the disk is full, free some space", d.dir))
	}
	return err
}

// sizeOf adds up the files of a folder. Files that are removed meanwhile do not count.
func sizeOf(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

// badDeployment projects orders with a mistaken fold.
func badDeployment(forgets, refuses string) deployment {
	return func(s *embedded.Server) {
		bad := loadgen.BadOrders(forgets, refuses)
		all := slices.DeleteFunc(canteendomain.Projections(), func(p model.Projection) bool { return p.Name == bad.Name })
		s.Projector.Projector.Projections = append(all, bad)
	}
}
