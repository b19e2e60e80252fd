package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// oneEvent is a commit of one event.
func oneEvent(number uint64, source string, at event.Instant) eventlog.Commit {
	return eventlog.Commit{Source: source, Records: 1, Manifest: eventlog.Manifest{
		First: number, Last: number, Key: "segments/" + source, Bytes: 1, Partitions: eventlog.Partitions, CreatedAt: at,
		Frames: []eventlog.Frame{{Length: 1, First: number, Count: 1}},
	}}
}

func TestClaimsAreForgottenOnceTheyAreOld(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "log.db"))
	const kept = event.Instant(eventlog.ClaimsKept / 1e6)
	for i, at := range []event.Instant{1, 1 + kept/2, 2 + kept} {
		if err := l.Commit(t.Context(), oneEvent(uint64(i)+1, string(rune('a'+i)), at)); err != nil {
			t.Fatal(err)
		}
	}
	for source, want := range map[string]int{"a": 0, "b": 1, "c": 1} {
		if got, err := l.Claimed(t.Context(), source); err != nil || got.Records != want {
			t.Errorf("the claim of %s is %+v, %v", source, got, err)
		}
	}
}

func TestProcessesThatShareALedgerGiveEachNumberOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	const processes, commits = 3, 15
	var running sync.WaitGroup
	for p := range processes {
		l := openLedger(t, path)
		running.Go(func() {
			for n := range commits {
				source := fmt.Sprintf("%d-%d", p, n)
				for committed := false; !committed; {
					head, err := l.Head(t.Context())
					if err == nil {
						err = l.Commit(t.Context(), oneEvent(head.Number+1, source, 1))
					}
					committed = err == nil
					if err != nil && !errors.Is(err, eventlog.ErrHeadMoved) && fault.ClassOf(err) != fault.Infra {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	running.Wait()
	manifests, err := openLedger(t, path).Manifests(t.Context(), 0, 1000)
	if err != nil || len(manifests) != processes*commits {
		t.Fatalf("%d segments, %v", len(manifests), err)
	}
	for i, m := range manifests {
		if m.First != uint64(i)+1 {
			t.Errorf("segment %d begins at %d", i, m.First)
		}
	}
}
