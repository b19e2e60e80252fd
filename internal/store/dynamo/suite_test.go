package dynamo

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/credential/credentialtest"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/engine/eventstore/eventstoretest"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/projection/projectiontest"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/engine/streamstate/streamstatetest"
	"gakushoku/internal/store/dynamo/feed"
)

func TestEventStoreContract(t *testing.T) {
	t.Parallel()
	eventstoretest.TestStore(t, eventstoretest.Harness{
		Open:          func(t *testing.T) eventstoretest.Instance { return instance(t, newEventTable(t)) },
		MaxEventBytes: maxItemBytes,
		Features:      eventstoretest.Features{Persists: true, Overloads: true},
	})
}

// instance is a store of its own on a table, as another process would have it.
func instance(t *testing.T, table string) eventstoretest.Instance {
	throttled, network := new(atomic.Bool), awshttp.NewBuildableClient()
	client := realClient(t, hurried, through(func(r *http.Request) (*http.Response, error) {
		if throttled.Load() {
			return answer(http.StatusBadRequest, refusal("ThrottlingException"), new(atomic.Int64))(r)
		}
		return network.Do(r)
	}))
	return eventstoretest.Instance{
		Store:  NewEvents(client, table),
		Feed:   feed.New(client, realStreams(t), table),
		Reopen: func(t *testing.T) eventstoretest.Instance { return instance(t, table) },
		Overload: func(*testing.T) func() {
			throttled.Store(true)
			return func() { throttled.Store(false) }
		},
	}
}

func TestTablesContract(t *testing.T) {
	t.Parallel()
	tables := projectiontest.Tables{
		Open: func(t *testing.T) projectiontest.TablesInstance {
			o := Options{Prefix: newName("p-") + "-"}
			tables := NewTables(realClient(t), o)
			t.Cleanup(func() { dropAll(t, tables) })
			return projectiontest.TablesInstance{
				Store:  tables,
				Reopen: func(t *testing.T) projection.Store { return NewTables(realClient(t), o) },
			}
		},
		MaxRowBytes: maxItemBytes - 1024,
		ListsLag:    true,
	}
	t.Run("tables", func(t *testing.T) { t.Parallel(); projectiontest.TestTables(t, tables) })
	t.Run("sink", func(t *testing.T) { t.Parallel(); projectiontest.TestSink(t, tables) })
	t.Run("agenda", func(t *testing.T) { t.Parallel(); projectiontest.TestAgenda(t, tables) })
}

// dropAll drops what a test of the suite may have made.
func dropAll(t *testing.T, tables *Tables) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, table := range []projection.Table{ordersV1, {Projection: "orders", Version: 2}, {Projection: "orders-v1", Version: 1}} {
		if err := tables.Drop(ctx, table); err != nil {
			t.Errorf("dropping %s: %v", table, err)
		}
	}
}

func TestControlContract(t *testing.T) {
	t.Parallel()
	harness := projectiontest.Control{Open: func(t *testing.T) projectiontest.ControlInstance {
		table := newControlTable(t)
		return projectiontest.ControlInstance{
			Store:  NewControl(realClient(t), table),
			Reopen: func(t *testing.T) projectiontest.ControlStore { return NewControl(realClient(t), table) },
		}
	}}
	projectiontest.TestPointers(t, harness)
	projectiontest.TestCheckpoints(t, harness)
}

func TestCredentialContract(t *testing.T) {
	t.Parallel()
	credentialtest.TestStore(t, credentialtest.Harness{Open: func(t *testing.T) credentialtest.Instance {
		table := newControlTable(t)
		return credentialtest.Instance{
			Store:  NewControl(realClient(t), table),
			Reopen: func(t *testing.T) credential.Store { return NewControl(realClient(t), table) },
		}
	}})
}

func TestSnapshotContract(t *testing.T) {
	t.Parallel()
	streamstatetest.TestStore(t, streamstatetest.Harness{TooLarge: maxItemBytes, Open: func(t *testing.T) streamstatetest.Instance {
		table := newControlTable(t)
		return streamstatetest.Instance{
			Store:  NewControl(realClient(t), table),
			Reopen: func(t *testing.T) streamstate.Store { return NewControl(realClient(t), table) },
		}
	}})
}

func TestLedgerContract(t *testing.T) {
	t.Parallel()
	eventlogtest.TestLedger(t, eventlogtest.Ledger{Open: func(t *testing.T) eventlogtest.LedgerInstance {
		table := newControlTable(t)
		return eventlogtest.LedgerInstance{
			Store:  NewLedger(realClient(t), table),
			Reopen: func(t *testing.T) eventlog.Ledger { return NewLedger(realClient(t), table) },
		}
	}})
}
