package process_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/loans"
	"gakushoku/internal/store/memory"
)

// counting counts how often a stream is loaded.
type counting struct {
	*memory.Events
	loads int
}

func (c *counting) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	c.loads++
	return c.Events.Load(ctx, stream, after)
}

func (l *library) history() []event.Event {
	l.TB.Helper()
	history, err := l.Events.Load(context.Background(), loan, 0)
	l.Must(err)
	return history
}

// TestDriveLoadsNothingThatIsKnown carries out two steps of a stream that the caller has, has in part, or has not.
func TestDriveLoadsNothingThatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ known, loads int }{
		"the whole is known":                            {2, 0},
		"nothing is known":                              {0, 1},
		"a part is known, and its step was carried out": {1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			streams := &counting{Events: l.Events}
			w := l.worker()
			w.Streams = streams
			w.Performer = &loans.Librarian{Commands: &command.Handler{Streams: streams, Now: l.Now, NewID: l.NewID}, Send: l.send}
			l.AppendTo(loan, loans.Taken{LoanID: "l1", Book: "こころ"})
			l.Wait(14 * day)
			l.drive(w, loan)
			l.Wait(28 * day)
			known := l.history()
			streams.loads = 0
			got, err := w.Drive(t.Context(), loan, known[:c.known:c.known])
			l.Must(err)
			if streams.loads != c.loads {
				t.Errorf("%d loads, want %d", streams.loads, c.loads)
			}
			if diff := cmp.Diff(l.history(), got); diff != "" {
				t.Errorf("the history (-stored +returned):\n%s", diff)
			}
			l.want("Taken remind fine")
		})
	}
}
