package dynamo

import (
	"errors"
	"sync"
	"testing"

	"gakushoku/internal/engine/projection"
)

func TestSetPointerWhoseAnswerWasLostIsNotTakenForAChangeByAnother(t *testing.T) {
	t.Parallel()
	table := newControlTable(t)
	for changes := range uint64(3) {
		unlucky := NewControl(realClient(t, through(losing("PutItem"))), table)
		if err := unlucky.SetPointer(t.Context(), projection.Pointer{Projection: "orders", Next: 2, Changes: changes}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := NewControl(realClient(t), table).Pointer(t.Context(), "orders")
	if err != nil || got.Changes != 3 {
		t.Errorf("got %+v, %v, want 3 changes", got, err)
	}
}

func TestSetPointerSentAgainMeetsTheChangeOfAnother(t *testing.T) {
	t.Parallel()
	table := newControlTable(t)
	p := projection.Pointer{Projection: "orders", Next: 2}
	other := func() {
		if err := NewControl(realClient(t), table).SetPointer(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	err := NewControl(realClient(t, through(before("PutItem", other))), table).SetPointer(t.Context(), p)
	if !errors.Is(err, projection.ErrPointerChanged) {
		t.Errorf("got %v, want ErrPointerChanged", err)
	}
}

func TestOneOfManyChangesOfAPointerWins(t *testing.T) {
	t.Parallel()
	control := NewControl(realClient(t), newControlTable(t))
	for changes := range uint64(4) {
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				err := control.SetPointer(t.Context(), projection.Pointer{Projection: "orders", Changes: changes})
				if err != nil && !errors.Is(err, projection.ErrPointerChanged) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("change %d: %d won", changes+1, won)
		}
	}
}

func TestPointersAndCheckpointsOfOneNameAreApart(t *testing.T) {
	t.Parallel()
	control := NewControl(realClient(t), newControlTable(t))
	if err := control.SetCheckpoint(t.Context(), "orders", projection.Checkpoint{Cursor: "c", Events: 7}); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Pointer(t.Context(), "orders"); !errors.Is(err, projection.ErrNoPointer) {
		t.Errorf("got %v, want ErrNoPointer", err)
	}
	if got, err := control.Checkpoint(t.Context(), "orders"); err != nil || got.Events != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
}
