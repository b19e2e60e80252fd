package audit_test

import (
	"testing"
	"time"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/event"
)

func TestTheRefusalsOfADayAreClosedOnceItIsOver(t *testing.T) {
	t.Parallel()
	now := event.InstantOf(time.Date(2026, 1, 25, 0, 0, 0, 0, time.UTC))
	for stream, want := range map[string]bool{
		"audit-2026-01-24-p1": true, "audit-2026-01-25-p1": false, "audit-2026-01-26-p1": false, audit.Kind.Stream(audit.LossLog): false, "audit-2": false,
	} {
		if got, err := audit.Closing().Closed(stream, nil, now); got != want || err != nil {
			t.Errorf("%s: %t, %v", stream, got, err)
		}
	}
}
