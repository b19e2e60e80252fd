package projection_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

func (s *scripted) follower() *projection.Follower {
	return &projection.Follower{
		Name: "orders", Feed: scriptedStreams{s.events, s}, Checkpoints: scriptedControl{s.control, s}, Batch: 10, Poll: time.Hour,
		Appended: func() <-chan struct{} { return nil }, Projector: s.projector(),
	}
}

func TestACheckpointMovesOnlyBehindWhatIsInAndStored(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Checkpoint", "Read", "Records", "SetCheckpoint"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, "o1")
			s.before = failing(call, 1, errDisk)
			f := s.follower()
			if more, err := f.Once(t.Context()); more || !errors.Is(err, errDisk) {
				t.Errorf("got %t, %v; want that the disk is gone", more, err)
			}
			if c, err := s.control.Checkpoint(t.Context(), "orders"); err != nil || c != (projection.Checkpoint{}) {
				t.Errorf("the checkpoint is %+v, %v", c, err)
			}
			for _, want := range []bool{true, false} {
				if more, err := f.Once(t.Context()); err != nil || more != want {
					t.Errorf("afterwards: got %t, %v; want %t", more, err, want)
				}
			}
			_, cursor, err := s.events.Read(t.Context(), "", 10)
			if err != nil {
				t.Fatal(err)
			}
			want := projection.Checkpoint{Cursor: cursor, Events: 2, OccurredAt: 2, AppliedAt: event.InstantOf(f.Projector.Now())}
			got, err := s.control.Checkpoint(t.Context(), "orders")
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("the checkpoint: %v (-want +got):\n%s", err, diff)
			}
			if v := s.row(t, "order-o1").Version; v != 2 {
				t.Errorf("the row is at version %d, want 2", v)
			}
		})
	}
}

func TestAFollowerTriesAgainAfterGrowingPausesThatBeginAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted(t, "o1")
		ctx, stop := context.WithCancel(t.Context())
		var gaps []time.Duration
		last := time.Now()
		s.before = func(call string, nth int) error {
			if call != "Read" {
				return nil
			}
			gaps, last = append(gaps, time.Since(last)), time.Now()
			switch nth {
			case 4, 7: // a batch, and nothing
				return nil
			case 18:
				stop()
			}
			return errDisk
		}
		if err := s.follower().Run(ctx); err != nil {
			t.Errorf("it ended with %v", err)
		}
		ms := time.Millisecond
		want := []time.Duration{
			0, 50 * ms, 100 * ms, 200 * ms, 0, 50 * ms, 100 * ms, time.Hour, 50 * ms, 100 * ms,
			200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms, 5000 * ms,
		}
		if diff := cmp.Diff(want, gaps); diff != "" {
			t.Errorf("pauses before each look (-want +got):\n%s", diff)
		}
	})
}

func TestCatchingUpTriesAgainUntilEverythingIsIn(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Checkpoint", "Read", "Records", "SetCheckpoint"} {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(t, "o1")
			began := time.Now()
			s.before = func(c string, nth int) error {
				if c == call && nth <= 3 {
					return errDisk
				}
				return nil
			}
			f := s.follower()
			f.Batch = 1
			if err := f.CatchUp(t.Context()); err != nil || time.Since(began) != 150*time.Millisecond {
				t.Errorf("%s: it ended after %s with %v", call, time.Since(began), err)
			}
			if v := s.row(t, "order-o1").Version; v != 2 {
				t.Errorf("%s: the row is at version %d, want 2", call, v)
			}
		})
	}
}

func TestCatchingUpThatIsStoppedIsNotDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted(t, "o1")
		ctx, stop := context.WithCancel(t.Context())
		s.before = func(call string, nth int) error {
			if call != "Read" {
				return nil
			}
			if nth == 3 {
				stop()
			}
			return errDisk
		}
		if err := s.follower().CatchUp(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, errDisk) || s.calls["Read"] != 3 {
			t.Errorf("after %d looks: %v", s.calls["Read"], err)
		}
	})
}
