package dynamo

import (
	"net/http"
	"sync/atomic"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"gakushoku/internal/eventstore/eventstoretest"
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
		Feed:   NewFeed(client, realStreams(t), table),
		Reopen: func(t *testing.T) eventstoretest.Instance { return instance(t, table) },
		Overload: func(*testing.T) func() {
			throttled.Store(true)
			return func() { throttled.Store(false) }
		},
	}
}
