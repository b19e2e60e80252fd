package embedded

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/operate/health"
)

func openFolder(t *testing.T) *Folder {
	t.Helper()
	f, err := OpenFolder(t.Context(), filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// longAgo is a log of a year that is over.
const longAgo = `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2020-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}
{"eventId":"e2","type":"OrderPaid","occurredAt":"2020-01-24T00:00:01.000Z","correlationId":"c2","payload":{"orderId":"o1","paidAt":"2020-01-24T00:00:01.000Z"}}
`

func TestLagCountsFromAppend(t *testing.T) {
	t.Parallel()
	f, started := openFolder(t), time.Now()
	if _, err := eventio.Import(t.Context(), strings.NewReader(longAgo), f.Events, eventio.Options{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond) // the store keeps whole milliseconds, rounded down
	status, err := f.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	behind, elapsed := time.Duration(status.BehindMs)*time.Millisecond, time.Since(started)
	if status.Head != 2 || status.Applied != 0 || behind <= 0 || behind > elapsed+time.Millisecond {
		t.Errorf("%+v, %s after the import began", status, elapsed)
	}
	for more := true; more; {
		if more, err = f.Follower().Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if status, err = f.Status(t.Context()); err != nil || status.Applied != 2 || status.BehindMs != 0 {
		t.Errorf("after all were applied: %+v, %v", status, err)
	}
}

func TestAnImportOfOldEventsLeavesTheServerReady(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	if _, err := eventio.Import(t.Context(), strings.NewReader(longAgo), f.Events, eventio.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, part := range f.Health().Check(t.Context()).Parts {
		if part.Name == health.PartProjectionLag && part.Status != health.OK {
			t.Errorf("%+v", part)
		}
	}
}
