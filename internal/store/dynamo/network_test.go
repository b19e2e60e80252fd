package dynamo

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/engine/eventstore/eventstoretest"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/projection/projectiontest"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/awsfault/awsfaulttest"
	"gakushoku/internal/store/dynamo/feed"
)

// patient is a client that never gives up on a network that loses some responses.
func patient(o *dynamodb.Options) { o.Retryer = awsfault.Retryer(50, time.Millisecond) }

// unreliable is a client whose network loses a share of the responses. Tables are made and
// dropped in time: no version is ever made twice, as a test's are.
func unreliable(t *testing.T, faults ...awsfaulttest.Fault) *dynamodb.Client {
	t.Helper()
	target, err := url.Parse(endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	plan := awsfaulttest.Seeded(1, 0.15, faults...)
	address := awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: proxy, Throttle: slowDown, Plan: func(r *http.Request) awsfaulttest.Fault {
		f := plan(r)
		if f == awsfaulttest.Late && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "Table") {
			return awsfaulttest.Reset
		}
		return f
	}})
	return dynamodb.New(options(address, patient))
}

// TestContractsOverAnUnreliableNetwork holds the adapters to their contracts while calls are
// repeated that were carried out: none may take its own first attempt for another's.
func TestContractsOverAnUnreliableNetwork(t *testing.T) {
	t.Parallel()
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		var open func(t *testing.T, table string) eventstoretest.Instance
		open = func(t *testing.T, table string) eventstoretest.Instance {
			client := unreliable(t, awsfaulttest.Faults...)
			return eventstoretest.Instance{
				Store: NewEvents(client, table), Feed: feed.New(client, realStreams(t), table),
				Reopen: func(t *testing.T) eventstoretest.Instance { return open(t, table) },
			}
		}
		eventstoretest.TestStore(t, eventstoretest.Harness{
			Open:          func(t *testing.T) eventstoretest.Instance { return open(t, newEventTable(t)) },
			MaxEventBytes: maxItemBytes, Features: eventstoretest.Features{Persists: true},
		})
	})
	t.Run("ledger", func(t *testing.T) {
		t.Parallel()
		eventlogtest.TestLedger(t, eventlogtest.Ledger{Open: func(t *testing.T) eventlogtest.LedgerInstance {
			table := newControlTable(t)
			return eventlogtest.LedgerInstance{
				Store:  NewLedger(unreliable(t, awsfaulttest.Faults...), table),
				Reopen: func(t *testing.T) eventlog.Ledger { return NewLedger(unreliable(t, awsfaulttest.Faults...), table) },
			}
		}})
	})
	t.Run("tables", func(t *testing.T) {
		t.Parallel()
		tables := projectiontest.Tables{
			Open: func(t *testing.T) projectiontest.TablesInstance {
				o := Options{Prefix: newName("p-") + "-"}
				t.Cleanup(func() { dropAll(t, NewTables(realClient(t), o)) })
				return projectiontest.TablesInstance{
					Store:  NewTables(unreliable(t, awsfaulttest.Faults...), o),
					Reopen: func(t *testing.T) projection.Store { return NewTables(unreliable(t, awsfaulttest.Faults...), o) },
				}
			},
			MaxRowBytes: maxItemBytes - 1024, ListsLag: true,
		}
		projectiontest.TestTables(t, tables)
		projectiontest.TestSink(t, tables)
	})
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		faults := awsfaulttest.Except(awsfaulttest.Late) // a checkpoint is a hint, and the last to be written counts
		harness := projectiontest.Control{Open: func(t *testing.T) projectiontest.ControlInstance {
			table := newControlTable(t)
			return projectiontest.ControlInstance{
				Store:  NewControl(unreliable(t, faults...), table),
				Reopen: func(t *testing.T) projectiontest.ControlStore { return NewControl(unreliable(t, faults...), table) },
			}
		}}
		projectiontest.TestPointers(t, harness)
		projectiontest.TestCheckpoints(t, harness)
	})
}
