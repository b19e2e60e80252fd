package memory_test

import (
	"testing"

	"gakushoku/internal/eventstore/eventstoretest"
	"gakushoku/internal/memory"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	eventstoretest.TestStore(t, eventstoretest.Harness{
		Open: func(*testing.T) eventstoretest.Instance {
			s := memory.NewEvents()
			return eventstoretest.Instance{Store: s, Feed: s}
		},
		MaxEventBytes: memory.MaxEventBytes,
		Features:      eventstoretest.Features{DetectsGaps: true, SettlesCancelled: true},
	})
}
