package sqlite

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/event"
)

// TestAWriterGetsItsTurnBetweenTransactionsOfAnotherProcess has somebody write one long
// transaction after another with short pauses, as an import does. Appends of others are to get
// into the pauses, not to hope for them.
func TestAWriterGetsItsTurnBetweenTransactionsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	const held, pause, appends, mostMissed = 40 * time.Millisecond, 5 * time.Millisecond, 30, 20
	path := filepath.Join(t.TempDir(), "events.db")
	busy, err := OpenEvents(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	patient, err := OpenEvents(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer patient.Close()

	var transactions atomic.Int64
	begun := make(chan struct{}) // read at the beginning of a transaction
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			err := busy.db.transact(t.Context(), func() error {
				transactions.Add(1)
				select {
				case begun <- struct{}{}:
				default:
				}
				time.Sleep(held)
				return nil
			})
			if err != nil {
				stopped <- err
				return
			}
			time.Sleep(pause)
		}
	}()
	for i := range appends {
		<-begun
		before := transactions.Load()
		if err := patient.Append(t.Context(), fmt.Sprintf("order-%d", i), 0, []event.Event{newEvent()}); err != nil {
			t.Errorf("append %d: %v", i, err)
		}
		if missed := transactions.Load() - before; missed > mostMissed {
			t.Errorf("append %d waited for %d transactions", i, missed)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
