package memory_test

import (
	"testing"

	"gakushoku/internal/engine/credential/credentialtest"
	"gakushoku/internal/engine/eventstore/eventstoretest"
	"gakushoku/internal/engine/projection/projectiontest"
	"gakushoku/internal/engine/streamstate/streamstatetest"
	"gakushoku/internal/store/memory"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	events := eventstoretest.Harness{
		Open: func(*testing.T) eventstoretest.Instance {
			s := memory.NewEvents()
			return eventstoretest.Instance{Store: s, Feed: s}
		},
		MaxEventBytes: memory.MaxEventBytes,
		Features:      eventstoretest.Features{DetectsGaps: true, SettlesCancelled: true},
	}
	t.Run("store", func(t *testing.T) { t.Parallel(); eventstoretest.TestStore(t, events) })
	t.Run("ranges", func(t *testing.T) { t.Parallel(); eventstoretest.TestRanges(t, events) })
	t.Run("prune", func(t *testing.T) { t.Parallel(); eventstoretest.TestPrune(t, events) })
}

func TestTables(t *testing.T) {
	t.Parallel()
	tables := projectiontest.Tables{
		Open: func(*testing.T) projectiontest.TablesInstance {
			return projectiontest.TablesInstance{Store: memory.NewTables()}
		},
		MaxRowBytes: 390_000,
	}
	t.Run("tables", func(t *testing.T) { t.Parallel(); projectiontest.TestTables(t, tables) })
	t.Run("sink", func(t *testing.T) { t.Parallel(); projectiontest.TestSink(t, tables) })
	t.Run("agenda", func(t *testing.T) { t.Parallel(); projectiontest.TestAgenda(t, tables) })
	t.Run("snapshots", func(t *testing.T) { t.Parallel(); projectiontest.TestSnapshots(t, tables) })
}

func TestControl(t *testing.T) {
	t.Parallel()
	control := projectiontest.Control{
		Open: func(*testing.T) projectiontest.ControlInstance {
			return projectiontest.ControlInstance{Store: memory.NewControl()}
		},
	}
	t.Run("pointers", func(t *testing.T) { t.Parallel(); projectiontest.TestPointers(t, control) })
	t.Run("checkpoints", func(t *testing.T) { t.Parallel(); projectiontest.TestCheckpoints(t, control) })
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	credentialtest.TestStore(t, credentialtest.Harness{Open: func(*testing.T) credentialtest.Instance {
		return credentialtest.Instance{Store: memory.NewControl()}
	}})
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	streamstatetest.TestStore(t, streamstatetest.Harness{Open: func(*testing.T) streamstatetest.Instance {
		return streamstatetest.Instance{Store: memory.NewControl()}
	}})
}
