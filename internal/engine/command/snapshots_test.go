package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

// coldWith is the handler of a process that has just started.
func coldWith(s command.Streams, shots streamstate.Store, every int) *command.Handler {
	return cached(s, &command.Cache{Snapshots: shots, Every: every})
}

// filled has a process reserve portions for orders 0 to n-1.
func filled(t *testing.T, s command.Streams, shots streamstate.Store, n int) {
	t.Helper()
	h := coldWith(s, shots, 100)
	for i := range n {
		if _, err := ask(t.Context(), h, take(i), fmt.Sprint("k", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func shelfShot(t *testing.T, shots streamstate.Store) streamstate.Snapshot {
	t.Helper()
	shot, err := shots.Snapshot(t.Context(), "stock-"+shelf)
	if err != nil {
		t.Fatal(err)
	}
	return shot
}

func TestAColdProcessLoadsOnlyWhatIsNewerThanTheSnapshot(t *testing.T) {
	t.Parallel()
	s, shots := &counted{Events: memory.NewEvents()}, memory.NewControl()
	filled(t, s, shots, 250)
	if shot := shelfShot(t, shots); shot.Version != 200 {
		t.Fatalf("the snapshot is of version %d, want 200", shot.Version)
	}
	s.taken()
	h := coldWith(s, shots, 100)
	r, err := ask(t.Context(), h, take(250), "")
	if n := s.taken(); err != nil || n != 51 || r.Version != 251 || r.State.Reserved != 251 {
		t.Errorf("%d events loaded, version %d, %+v, %v; want 50 and the one that vouches for the snapshot", n, r.Version, r.State.Reserved, err)
	}
	if r, err = ask(t.Context(), h, take(251), ""); err != nil || s.taken() != 0 || r.Version != 252 {
		t.Errorf("the second command: version %d, %v", r.Version, err)
	}
}

func TestACommandFromBeforeTheSnapshotIsFoundAgain(t *testing.T) {
	t.Parallel()
	s, shots := memory.NewEvents(), memory.NewControl()
	filled(t, s, shots, 230)
	for _, n := range []int{0, 7, 199, 200, 229} {
		first, err := ask(t.Context(), coldWith(s, shots, 100), take(n), fmt.Sprint("k", n))
		if err != nil || !first.Repeated || first.Version != uint64(n)+1 || first.State.Reserved != int64(n)+1 {
			t.Errorf("command %d again: version %d, repeated %t, %v", n, first.Version, first.Repeated, err)
		}
		if _, err := ask(t.Context(), coldWith(s, shots, 100), take(n+1), fmt.Sprint("k", n)); !errors.Is(err, command.ErrKeyReused) {
			t.Errorf("the key of command %d with another command: %v", n, err)
		}
	}
}

// A stream whose events were retired after the snapshot: a store that loads them from the log finds the event that
// vouches for it, and one that has only the tombstone left does not.
func TestARetiredStreamIsLoadedWithItsSnapshotOrWhole(t *testing.T) {
	t.Parallel()
	s, shots := memory.NewEvents(), memory.NewControl()
	filled(t, s, shots, 150)
	retired := tombstone.Retired{Stream: "stock-" + shelf, Through: 150, SHA256: strings.Repeat("0", 64), Places: []tombstone.Place{{Number: 1, Count: 150}}}
	e, err := event.New(retired)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.CorrelationID, e.OccurredAt = "tombstone", "c", event.InstantOfMilli(1)
	if err := s.Append(t.Context(), "stock-"+shelf, 150, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	for name, streams := range map[string]command.Streams{"from the log": s, "with a hole that shows once": &holed{Events: s}} {
		_, err := ask(t.Context(), coldWith(streams, shots, 1000), stock.SetPortions{StockID: shelf, Portions: 1}, "")
		if err == nil || !strings.Contains(err.Error(), "150 portions are reserved") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// holed has only the tombstone after a version, and all from the beginning.
type holed struct{ *memory.Events }

func (h *holed) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	events, err := h.Events.Load(ctx, stream, after)
	if after > 0 && len(events) > 0 {
		events = events[len(events)-1:]
	}
	return events, err
}

// TestASnapshotThatIsNotOfThisStreamIsNotUsed: whatever the store of snapshots has, the outcome is that of the
// whole stream.
func TestASnapshotThatIsNotOfThisStreamIsNotUsed(t *testing.T) {
	t.Parallel()
	s, shots := memory.NewEvents(), memory.NewControl()
	filled(t, s, shots, 120)
	good := shelfShot(t, shots)
	newer, newerShots := memory.NewEvents(), memory.NewControl()
	filled(t, newer, newerShots, 300)
	for name, change := range map[string]func(*streamstate.Snapshot){
		"of another revision":              func(s *streamstate.Snapshot) { s.Revision++ },
		"newer than the stream":            func(s *streamstate.Snapshot) { *s = shelfShot(t, newerShots) },
		"of another stream, as old":        func(s *streamstate.Snapshot) { s.EventID = "e-other" },
		"one event further than it says":   func(s *streamstate.Snapshot) { s.Version-- },
		"without the id of an event":       func(s *streamstate.Snapshot) { s.EventID = "" },
		"empty":                            func(s *streamstate.Snapshot) { s.Data = nil },
		"of a form that is not known":      func(s *streamstate.Snapshot) { s.Data[0] = 9 },
		"with a byte changed":              func(s *streamstate.Snapshot) { s.Data[len(s.Data)/2] ^= 1 },
		"cut short":                        func(s *streamstate.Snapshot) { s.Data = s.Data[:len(s.Data)/2] },
		"as it was written, which is used": func(*streamstate.Snapshot) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shot, mine := good, memory.NewControl()
			shot.Data = bytes.Clone(good.Data)
			change(&shot)
			if err := mine.SetSnapshot(t.Context(), shot); err != nil {
				t.Fatal(err)
			}
			r, err := ask(t.Context(), coldWith(s, mine, 1000), stock.SetPortions{StockID: shelf, Portions: 1}, "")
			if err == nil || !strings.Contains(err.Error(), "120 portions are reserved") {
				t.Errorf("decided on another state: %+v, %v", r.State, err)
			}
		})
	}
}

// broken is a store of snapshots that fails.
type broken struct{ err error }

func (b broken) Snapshot(context.Context, string) (streamstate.Snapshot, error) {
	return streamstate.Snapshot{}, b.err
}
func (b broken) SetSnapshot(context.Context, streamstate.Snapshot) error { return b.err }
func (b broken) DropSnapshot(context.Context, string) error              { return b.err }

func TestCommandsGoOnWithoutTheStoreOfSnapshots(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	ctx := observe.WithLogger(t.Context(), observe.NewLogger(&lines, zerolog.InfoLevel, "test"))
	s := memory.NewEvents()
	h := coldWith(s, broken{fault.Unavailable(errors.New("the store is down"))}, 2)
	for n := range 5 {
		if _, err := ask(ctx, h, take(n), ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(lines.String(), `"doing":"writing"`); got != 2 {
		t.Errorf("%d failures to write were logged, want 2", got)
	}
}

func TestNoCommandWaitsForASnapshot(t *testing.T) {
	t.Parallel()
	s, shots, later := memory.NewEvents(), memory.NewControl(), command.NewBackground()
	h := cached(s, &command.Cache{Snapshots: shots, Every: 1, Later: later.Later})
	for n := range 40 { // more than there is room for
		if _, err := ask(t.Context(), h, take(n), ""); err != nil {
			t.Fatal(err)
		}
	}
	if shot := shelfShot(t, shots); shot.Version != 0 {
		t.Errorf("a snapshot of version %d was written before its time", shot.Version)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() { later.Run(ctx); close(ended) }()
	for shelfShot(t, shots).Version == 0 {
		runtime.Gosched()
	}
	cancel()
	<-ended
}

// TestASnapshotAtAnyVersionGivesTheStateOfTheWholeStream: processes that start cold at any time, with snapshots
// at any distance, give each command the outcome that one handler without a cache gives.
func TestASnapshotAtAnyVersionGivesTheStateOfTheWholeStream(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, shots, alone := memory.NewEvents(), memory.NewControl(), cached(memory.NewEvents(), nil)
		handlers := make([]*command.Handler, 3)
		for range rapid.IntRange(1, 50).Draw(t, "commands") {
			at := rapid.IntRange(0, 2).Draw(t, "process")
			if handlers[at] == nil || rapid.IntRange(0, 3).Draw(t, "starts anew") == 0 {
				handlers[at] = coldWith(s, shots, rapid.IntRange(1, 6).Draw(t, "every"))
			}
			n := rapid.IntRange(0, 6).Draw(t, "order")
			order := fmt.Sprint("o", n)
			c := rapid.SampledFrom([]stock.Command{
				take(n), stock.Sell{StockID: shelf, OrderID: order}, stock.Release{StockID: shelf, OrderID: order},
				stock.SetPortions{StockID: shelf, Portions: rapid.Int64Range(0, 5).Draw(t, "portions")},
			}).Draw(t, "command")
			key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
			got, err := ask(t.Context(), handlers[at], c, key)
			want, wantErr := ask(t.Context(), alone, c, key)
			if diff := cmp.Diff(outcomeOf(want, wantErr), outcomeOf(got, err)); diff != "" {
				t.Fatalf("%+v with key %q (-whole +with snapshots):\n%s", c, key, diff)
			}
		}
	})
}

// TestAStateOfAnotherRevisionIsReplaced: a program with another revision neither reads nor keeps the snapshot.
func TestAStateOfAnotherRevisionIsReplaced(t *testing.T) {
	t.Parallel()
	s, shots := memory.NewEvents(), memory.NewControl()
	filled(t, s, shots, 120)
	next := *stock.Rules.Snapshots
	next.Revision++
	next.Decode = func([]byte) (stock.State, error) { return stock.State{}, errors.New("read, and must not be") }
	rules := stock.Rules
	rules.Snapshots = &next
	r, err := command.Execute(t.Context(), coldWith(s, shots, 1), rules, command.Request[stock.Command]{ID: shelf, Command: take(120)})
	if err != nil || r.Version != 121 {
		t.Fatalf("version %d, %v", r.Version, err)
	}
	if shot := shelfShot(t, shots); shot.Version != 121 || shot.Revision != next.Revision {
		t.Errorf("the snapshot is of version %d, revision %d", shot.Version, shot.Revision)
	}
}
