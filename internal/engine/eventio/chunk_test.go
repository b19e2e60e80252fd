package eventio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

// storeAndServer is one event store opened twice, as by an import and by a running server.
func storeAndServer(t *testing.T) (store, server *sqlite.Events) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.db")
	var opened [2]*sqlite.Events
	for i := range opened {
		s, err := sqlite.OpenEvents(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		opened[i] = s
	}
	return opened[0], opened[1]
}

// orders is a file of so many orders, one event each.
func orders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"eventId":"e%d","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c","payload":{"orderId":"f%d","total":500}}`+"\n", i, i)
	}
	return b.String()
}

// command appends the first event of a new order, as a server does.
func command(ctx context.Context, server *sqlite.Events, id string) error {
	e, err := event.New(order.Placed{OrderID: id, Total: 780})
	if err != nil {
		return err
	}
	e.ID, e.OccurredAt, e.CorrelationID = id, event.InstantOfMilli(1769212800000), "c"
	return server.Append(ctx, order.Stream(id), 0, []event.Event{e})
}

// watchedStore counts what each transaction of an import appends, and calls after behind each.
type watchedStore struct {
	*sqlite.Events
	chunks []int
	after  func(chunk int) error
}

func (w *watchedStore) AppendAll(ctx context.Context, f func(add func(string, uint64, []event.Event) error) error) error {
	count := 0
	err := w.Events.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
		return f(func(stream string, expected uint64, events []event.Event) error {
			count += len(events)
			return add(stream, expected, events)
		})
	})
	if err != nil {
		return err
	}
	w.chunks = append(w.chunks, count)
	return w.after(len(w.chunks))
}

func TestImportLetsCommandsThroughBetweenItsTransactions(t *testing.T) {
	t.Parallel()
	store, server := storeAndServer(t)
	watched := &watchedStore{Events: store, after: func(chunk int) error {
		return command(t.Context(), server, fmt.Sprintf("between-%d", chunk))
	}}
	report, err := Import(t.Context(), strings.NewReader(orders(3*chunkEvents+7)), watched, Options{})
	if err != nil || report.Imported != 3*chunkEvents+7 {
		t.Fatalf("%+v: %v", report, err)
	}
	if largest := slices.Max(watched.chunks); largest != chunkEvents || len(watched.chunks) < 4 {
		t.Errorf("transactions of %v events, want at most %d in one", watched.chunks, chunkEvents)
	}
	for chunk := range watched.chunks {
		if events, err := store.Load(t.Context(), order.Stream(fmt.Sprintf("between-%d", chunk+1)), 0); err != nil || len(events) != 1 {
			t.Errorf("the command after transaction %d: %d events, %v", chunk+1, len(events), err)
		}
	}
}

func TestChunksThatTakeLongBecomeSmallerAndPausesLonger(t *testing.T) {
	t.Parallel()
	at := pace{events: chunkEvents}
	for i, c := range []struct {
		took, pause time.Duration
		events      int
	}{
		{20 * time.Millisecond, chunkPause, chunkEvents}, {chunkTime, chunkTime / 8, chunkEvents}, {4 * chunkTime, chunkTime / 2, chunkEvents / 2},
		{2 * chunkTime, chunkTime / 4, chunkEvents / 4}, {chunkTime / 2, chunkTime / 16, chunkEvents / 4}, {0, chunkPause, chunkEvents / 2},
		{time.Millisecond, chunkPause, chunkEvents}, {time.Millisecond, chunkPause, chunkEvents},
	} {
		if at = at.after(c.took); at != (pace{c.events, c.pause}) {
			t.Errorf("after chunk %d of %s: %+v, want %d events after a pause of %s", i, c.took, at, c.events, c.pause)
		}
	}
	for range 20 {
		at = at.after(time.Minute)
	}
	if at.events != leastEvents {
		t.Errorf("chunks of %d events on a store that stands still, want %d", at.events, leastEvents)
	}
}

func TestImportBoundsTheBytesOfATransaction(t *testing.T) {
	t.Parallel()
	store, _ := storeAndServer(t)
	watched := &watchedStore{Events: store, after: func(int) error { return nil }}
	var in strings.Builder
	note := `"note":"` + strings.Repeat("x", 300_000) + `","total"`
	for i := range 30 { // 9 MB in 30 lines
		line := strings.Replace(placed1, `"total"`, note, 1)
		in.WriteString(strings.NewReplacer(`"o1"`, fmt.Sprintf(`"o%d"`, i), `"e1"`, fmt.Sprintf(`"e%d"`, i)).Replace(line) + "\n")
	}
	if _, err := Import(t.Context(), strings.NewReader(in.String()), watched, Options{}); err != nil {
		t.Fatal(err)
	}
	equal(t, []int{14, 14, 2}, watched.chunks)
}

func TestInterruptedImportContinues(t *testing.T) {
	t.Parallel()
	const events = 4*chunkEvents + 9
	file, boom := orders(events), errors.New("the disk is gone")
	for name, c := range map[string]struct {
		cut  func(interrupt context.CancelFunc, server *sqlite.Events) error // after the second transaction
		want error
		left int // bad lines when it is imported again
	}{
		"interrupted":         {cut: func(interrupt context.CancelFunc, _ *sqlite.Events) error { interrupt(); return nil }, want: context.Canceled},
		"failed by the store": {cut: func(context.CancelFunc, *sqlite.Events) error { return boom }, want: boom},
		"overtaken by another": {cut: func(_ context.CancelFunc, server *sqlite.Events) error {
			return command(context.Background(), server, fmt.Sprintf("f%d", events-1))
		}, want: ErrStoreChanged, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, server := storeAndServer(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			watched := &watchedStore{Events: store, after: func(chunk int) error {
				if chunk != 2 {
					return nil
				}
				return c.cut(interrupt, server)
			}}
			first, err := Import(ctx, strings.NewReader(file), watched, Options{})
			if !errors.Is(err, c.want) {
				t.Fatalf("%+v: %v", first, err)
			}
			head, err := server.Head(t.Context())
			if err != nil || first.Imported == 0 || first.Imported >= events || head < uint64(first.Imported) {
				t.Fatalf("%d imported of %d, %d in the store: %v", first.Imported, events, head, err)
			}
			again, err := Import(t.Context(), strings.NewReader(file), store, Options{SkipBad: true, BadWriter: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, c.left, again.BadLines)
			head, err = server.Head(t.Context())
			if err != nil || again.AlreadyThere+again.Imported+again.BadLines != events || head != events {
				t.Errorf("%+v of %d, %d in the store: %v", again, events, head, err)
			}
		})
	}
}

func TestCommandsNeverFailDuringAnImport(t *testing.T) {
	t.Parallel()
	const clients, chunks = 4, 10
	store, server := storeAndServer(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var failed atomic.Int64
	for c := range clients {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := command(t.Context(), server, fmt.Sprintf("c%d-%d", c, i)); err != nil {
					failed.Add(1)
					t.Errorf("command %d of client %d: %v", i, c, err)
				}
			}
		})
	}
	_, err := Import(t.Context(), strings.NewReader(orders(chunks*chunkEvents)), store, Options{})
	stop()
	running.Wait()
	if err != nil || failed.Load() > 0 {
		t.Fatalf("%d commands failed; the import: %v", failed.Load(), err)
	}
	// A command that waits should be next; a busy machine may let the import be faster sometimes.
	const patience = 5 * chunkEvents
	if longest := longestRun(t, server, "order-f"); longest > patience {
		t.Errorf("%d events were imported while commands waited, at most %d are expected", longest, patience)
	}
}

// longestRun is how many events of streams with a prefix follow one another in the log.
func longestRun(t *testing.T, store *sqlite.Events, prefix string) int {
	t.Helper()
	longest, run := 0, 0
	for after := (eventstore.Mark{}); ; {
		events, last, err := store.Since(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return longest
		}
		for i := range events {
			if run++; !strings.HasPrefix(events[i].Stream, prefix) {
				run = 0
			}
			longest = max(longest, run)
		}
		after = last
	}
}
