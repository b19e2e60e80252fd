package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
)

func TestAFolderWhoseMakingWasCutOffIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]string{"nothing but read models": "readmodels/", "half a marker": markerFile + ".new-1", "no read models": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			for made := range strings.SplitSeq(left, "/") {
				if strings.HasPrefix(made, markerFile) {
					err := os.MkdirAll(dir, 0o750)
					if err == nil {
						err = os.WriteFile(filepath.Join(dir, made), []byte("{"), 0o640)
					}
					if err != nil {
						t.Fatal(err)
					}
				} else if err := os.MkdirAll(filepath.Join(dir, made), 0o750); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				f, err := OpenFolder(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// without closes a folder and removes what a pattern names in it.
func without(t *testing.T, f *Folder, patterns ...string) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(f.Dir, pattern))
		for _, path := range found {
			err = errors.Join(err, os.RemoveAll(path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFolderThatHasLostItsEventsIsRefused(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][]string{
		"the events":       {"events.db*"},
		"the marker too":   {"events.db*", markerFile},
		"all but the mark": {"events.db*", "*.db", "log", "readmodels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			place(t, f, 2)
			without(t, f, lost...)
			before := tree(t, f.Dir)
			for _, open := range []func(context.Context, string) (*Folder, error){OpenFolder, OpenExistingFolder} {
				if _, err := open(t.Context(), f.Dir); !errors.Is(err, ErrEventsLost) || !strings.Contains(err.Error(), "put the file back") {
					t.Errorf("got %v", err)
				}
			}
			if after := tree(t, f.Dir); !slices.Contains(lost, "readmodels") && after != before {
				t.Errorf("it was changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
	t.Run("a file cut to nothing", func(t *testing.T) {
		t.Parallel()
		f := openFolder(t)
		without(t, f, "events.db-*")
		if err := os.Truncate(eventsFile(f.Dir), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFolder(t.Context(), f.Dir); !errors.Is(err, ErrEventsLost) {
			t.Errorf("got %v", err)
		}
	})
}

// tree is the names of all files of a folder.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

func TestFolderWithoutMarkerAndPartNamesTheMissing(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	without(t, f, markerFile, "log.db")
	if _, err := OpenFolder(t.Context(), f.Dir); err == nil || !strings.Contains(err.Error(), markerFile+" is missing") {
		t.Errorf("got %v", err)
	}
}

func TestReadingCreatesNoFolder(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for _, dir := range []string{empty, filepath.Join(empty, "missing")} {
		if _, err := OpenExistingFolder(t.Context(), dir); !errors.Is(err, ErrNoFolder) {
			t.Errorf("got %v", err)
		}
	}
	if got := tree(t, empty); got != empty {
		t.Errorf("it was filled: %s", got)
	}
}

func TestABackupOfTheEventsAloneIsEnough(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 3)
	without(t, f, markerFile, "control.db*", "log*", "readmodels")
	again := openFolderAt(t, f.Dir)
	if head, err := again.Events.Head(t.Context()); err != nil || head != 3 {
		t.Errorf("it has %d events: %v", head, err)
	}
}

func TestTheLogOutlivesEverythingElse(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][]string{"events": {"events.db*"}, "all but the log": {"*.db*", "readmodels", markerFile}, "manifests": {"events.db*", "log/manifests"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			for range 3 {
				place(t, f, 2)
				if err := f.Archive(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			without(t, f, lost...)
			n := 0
			if err := EachArchived(t.Context(), f.Dir, func(*event.Event) error { n++; return nil }); err != nil || n != 6 {
				t.Errorf("%d events, %v", n, err)
			}
		})
	}
	if err := EachArchived(t.Context(), t.TempDir(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}
}

func TestHealthDetectsReplacedEvents(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	for name, then := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o640)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			if got := partOf(t, f, health.PartEventStore); got.Status != health.OK {
				t.Fatalf("before: %+v", got)
			}
			if err := then(f.Events.Path()); err != nil {
				t.Fatal(err)
			}
			if got := partOf(t, f, health.PartEventStore); got.Status != health.Failing || !strings.Contains(got.Detail, "was removed or replaced") {
				t.Errorf("after: %+v", got)
			}
		})
	}
}

// older gives a folder an older copy of its events, and opens it again.
func older(t *testing.T, f *Folder, since int) *Folder {
	t.Helper()
	without(t, f)
	db, err := sql.Open("sqlite", f.Events.Path())
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "DELETE FROM events WHERE position > ?", since)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return openFolderAt(t, f.Dir)
}

// settled brings a folder's rows and log up to date.
func settled(t *testing.T, f *Folder) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = f.Follower().Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Archive(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOlderEventStoreIsRefused(t *testing.T) {
	t.Parallel()
	// Fewer events than were read, just as many, and more: the numbers have overtaken.
	for _, more := range []int{0, 2, 4, 9} {
		t.Run(fmt.Sprintf("with %d new events", more), func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			place(t, f, 6)
			settled(t, f)
			f = older(t, f, 2)
			place(t, f, more)
			_, projecting := f.Follower().Once(t.Context())
			_, looking := f.Status(t.Context())
			_, serving := OpenServer(t.Context(), ServeOptions{Dir: f.Dir, Addr: "127.0.0.1:0"})
			_, rebuilding := f.Rebuild(t.Context(), rebuild.Request{Projection: readmodel.OrdersName}, operator.RebuildOptions{})
			_, fixing := f.Models.Verify(t.Context(), readmodel.OrdersName, 0, verify.Options{Fix: true})
			healing := f.Models.Heal(t.Context(), readmodel.OrdersName, nil, nil)
			for what, err := range map[string]error{
				"projecting": projecting, "archiving": f.Archive(t.Context()), "looking": looking, "serving": serving, "rebuilding": rebuilding,
				"fixing": fixing, "healing": healing,
			} {
				if !errors.Is(err, eventstore.ErrOtherStore) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if !strings.Contains(serving.Error(), "runbook lost-events.md") {
				t.Errorf("it is not said what to do: %v", serving)
			}
			if got := partOf(t, f, health.PartEventStore); got.Status != health.Failing || !strings.Contains(got.Detail, "not the one that was read before") {
				t.Errorf("health: %+v", got)
			}
			n := 0
			if err := EachArchived(t.Context(), f.Dir, func(*event.Event) error { n++; return nil }); err != nil || n != 6 {
				t.Errorf("the log has %d events, %v", n, err)
			}
		})
	}
}

func TestCheckpointsWithoutIdsAreContinued(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 4)
	settled(t, f)
	for _, reader := range []string{projectorName, archiverName} {
		if err := f.Control.SetCheckpoint(t.Context(), reader, projection.Checkpoint{Cursor: "3"}); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, f)
	for _, reader := range []string{projectorName, archiverName} {
		c, err := f.Control.Checkpoint(t.Context(), reader)
		if mark, _ := eventstore.ParseMark(c.Cursor); err != nil || mark.Number != 4 || mark.ID == "" {
			t.Errorf("the %s is at %q: %v", reader, c.Cursor, err)
		}
	}
}

func TestAVerificationOfAStoreThatHasLostEventsAppendsNothing(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]string{
		"the newest event":             "position = 6",
		"the first of the last stream": "stream = 'order-last' AND version = 1",
		"one that was archived before": "position = 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			place(t, f, 3)
			settled(t, f)
			before, err := f.Control.Checkpoint(t.Context(), archiverName)
			if err != nil {
				t.Fatal(err)
			}
			for version := range uint64(3) {
				e := event.Event{ID: fmt.Sprintf("last-%d", version), Type: order.PlacedType, Schema: 2, OccurredAt: 1, CorrelationID: "c", Payload: []byte(`{"orderId":"last","total":1}`)}
				if err := f.Events.Append(t.Context(), "order-last", version, []event.Event{e}); err != nil {
					t.Fatal(err)
				}
			}
			settled(t, f)
			// The server ended between the segment and its position.
			if err := f.Control.SetCheckpoint(t.Context(), archiverName, before); err != nil {
				t.Fatal(err)
			}
			without(t, f)
			db, err := sql.Open("sqlite", f.Events.Path())
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.ExecContext(t.Context(), "DELETE FROM events WHERE "+lost)
			if err = errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			f = openFolderAt(t, f.Dir)
			for range 3 {
				r, err := f.LogCheck.Verify(t.Context(), logcheck.Options{Deep: true})
				if err != nil || r.Counts[logcheck.EventExtra] != 1 || r.Total() != 1 || r.Repeats != 0 {
					t.Errorf("archive verify: %+v, %v", r, err)
				}
				e, err := f.LogCheck.VerifyEvents(t.Context(), true)
				if err != nil || e.Sound || e.Log.Counts[logcheck.EventExtra] != 1 {
					t.Errorf("events verify: %+v, %v", e, err)
				}
				if head, err := f.Log().Head(t.Context()); err != nil || head.Number != 6 {
					t.Errorf("the log ends at %d: %v", head.Number, err)
				}
			}
		})
	}
}

// A row is all that is left of a stream that the event store has lost, but for the log. It is not emptied
// to fit the store. A row of a stream that never existed is emptied.
func TestARowOfAStreamThatWasLostIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 5)
	settled(t, f)
	table := projection.Table{Projection: readmodel.OrdersName, Version: 1}
	names, _, err := f.Events.Streams(t.Context(), eventstore.All, "", 9)
	if err != nil {
		t.Fatal(err)
	}
	lost, ghost := names[1], order.Stream("ghost")
	db, err := sql.Open("sqlite", f.Events.Path())
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "DELETE FROM events WHERE stream = ?", lost)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	row := projection.Record{Stream: ghost, Version: 1, Writes: 1, Data: []byte(`{"orderId":"ghost"}`)}
	if late, err := f.Tables.Write(t.Context(), table, []projection.Change{{Record: row}}); err != nil || len(late) > 0 {
		t.Fatal(late, err)
	}
	wantLeft := func(after string) {
		t.Helper()
		if rows, err := f.Tables.Records(t.Context(), table, []string{lost}); err != nil || rows[lost].Version != 1 {
			t.Errorf("after %s: %+v, %v", after, rows[lost], err)
		}
	}
	if _, err := f.Rebuild(t.Context(), rebuild.Request{Projection: readmodel.OrdersName, FromEventNumber: 1}, operator.RebuildOptions{}); err != nil {
		t.Error(err)
	}
	wantLeft("a rebuild in place")
	m := f.Models
	m.LagBound = time.Millisecond
	if err := m.Heal(t.Context(), readmodel.OrdersName, []string{lost}, func(verify.Healed) error { return nil }); err != nil {
		t.Error(err)
	}
	wantLeft("a heal")
	for _, fix := range []bool{false, true, true} {
		v, err := m.Verify(t.Context(), readmodel.OrdersName, 0, verify.Options{Fix: fix})
		if err != nil {
			t.Fatal(err)
		}
		if v.Counts[verify.Ahead] != 1 || v.Sound {
			t.Errorf("fix %t: %+v", fix, v)
		}
		for _, p := range v.Problems {
			if p.Stream == lost && (p.Class != verify.Ahead || p.Fixed || !strings.Contains(p.Reason, "events verify --deep")) || p.Stream == ghost && (p.Class != verify.Extra || p.Fixed != fix) {
				t.Errorf("fix %t: %+v", fix, p)
			}
		}
		wantLeft(fmt.Sprintf("a verification, fix %t", fix))
	}
	rows, err := f.Tables.Records(t.Context(), table, []string{ghost})
	if got := rows[ghost]; err != nil || got.Version != 0 {
		t.Errorf("the row of an unknown stream: %+v, %v", got, err)
	}
}

func TestALogThatWasLostIsNoticed(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][]string{
		"the ledger": {"log.db*"}, "the ledger and the manifests": {"log.db*", "log/manifests"}, "all of it": {"log.db*", "log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			place(t, f, 3)
			settled(t, f)
			without(t, f, lost...)
			f = openFolderAt(t, f.Dir)
			_, status := f.LogCheck.Status(t.Context())
			for what, err := range map[string]error{"status": status, "replay": f.EachEvent(t.Context(), nil), "archiving": f.Archive(t.Context())} {
				if !errors.Is(err, eventlog.ErrLedgerBehind) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if r, err := f.LogCheck.Verify(t.Context(), logcheck.Options{}); err == nil && r.Sound {
				t.Errorf("verify: %+v", r)
			}
			if got := partOf(t, f, health.PartLogLag); got.Status != health.Failing || !strings.Contains(got.Detail, "the ledger of the log was lost") {
				t.Errorf("health: %+v", got)
			}
		})
	}
}

// partOf is what health says about one part.
func partOf(t *testing.T, f *Folder, name string) health.Part {
	t.Helper()
	for _, part := range f.Health().Check(t.Context()).Parts {
		if part.Name == name {
			return part
		}
	}
	t.Fatalf("health has no part %s", name)
	return health.Part{}
}

func TestFoldersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, want string }{
		"something else":   {"notes.txt", "mine", "not a gakushoku data folder"},
		"a damaged marker": {markerFile, "{", "is damaged: restore it"},
		"a huge marker":    {markerFile, `{"gakushokuFormat":1}` + strings.Repeat(" ", 1<<20), "is larger than"},
		"a newer one":      {markerFile, `{"gakushokuFormat":99}`, "a newer gakushoku (format 99, this one knows 1): use that one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o640); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenFolder(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("it was changed: %v %v", entries, err)
			}
		})
	}
}

func TestAFolderWithoutControlRecordsAndReadModelsOpensForCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := OpenFolder(t.Context(), dir)
	if err == nil {
		err = f.Close()
	}
	if err = errors.Join(err, os.Remove(filepath.Join(dir, "control.db")), os.RemoveAll(filepath.Join(dir, "readmodels"))); err != nil {
		t.Fatal(err)
	}
	if f, err = OpenParts(t.Context(), dir, EventStore); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Broken(), f.Close()); err != nil {
		t.Error(err)
	}
}
