package eventlog_test

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// An archiver numbers events and commits them as a segment; a reader returns any range of numbers.
func Example() {
	ledger, blobs := memory.NewLedger(), memory.NewBlobs()
	archiver := eventlog.Archiver{Ledger: ledger, Blobs: blobs, Now: time.Now, NewID: func() string { return "segment-1" }}
	var batch []eventlog.Record
	for version := range uint64(3) {
		e := event.Event{ID: fmt.Sprint("e", version+1), Type: "Example", Stream: "example-1", Version: version + 1, Schema: 1, Payload: []byte("{}")}
		batch = append(batch, eventlog.Record{Source: e.ID, Event: e})
	}
	ctx := context.Background()
	if _, err := archiver.Commit(ctx, batch); err != nil {
		fmt.Println(err)
		return
	}
	reader := eventlog.Reader{Ledger: ledger, Blobs: blobs}
	err := reader.Events(ctx, 1, 3, func(number uint64, e *event.Event) error {
		fmt.Println(number, e.ID, e.Stream, e.Version)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2 e2 example-1 2
	// 3 e3 example-1 3
	// <nil>
}
