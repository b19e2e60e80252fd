package memory_test

import (
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestBlobs(t *testing.T) {
	t.Parallel()
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{
		Open: func(*testing.T) eventlogtest.BlobsInstance {
			return eventlogtest.BlobsInstance{Store: memory.NewBlobs()}
		},
	})
}

func TestLedger(t *testing.T) {
	t.Parallel()
	eventlogtest.TestLedger(t, eventlogtest.Ledger{
		Open: func(*testing.T) eventlogtest.LedgerInstance {
			return eventlogtest.LedgerInstance{Store: memory.NewLedger()}
		},
	})
}

func TestClaimsAreForgottenOnceTheyAreOld(t *testing.T) {
	t.Parallel()
	s := memory.NewLedger()
	const kept = event.Instant(eventlog.ClaimsKept / 1e6)
	for i, at := range []event.Instant{1, 1 + kept/2, 2 + kept} {
		number := uint64(i) + 1
		err := s.Commit(t.Context(), eventlog.Commit{Source: string(rune('a' + i)), Records: 1, Manifest: eventlog.Manifest{
			First: number, Last: number, Key: "k", Bytes: 1, Partitions: eventlog.Partitions, CreatedAt: at,
			Frames: []eventlog.Frame{{Length: 1, First: number, Count: 1}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for source, want := range map[string]int{"a": 0, "b": 1, "c": 1} {
		if got, err := s.Claimed(t.Context(), source); err != nil || got.Records != want {
			t.Errorf("the claim of %s is %+v, %v", source, got, err)
		}
	}
}
