package projection_test

import (
	"errors"
	"testing"
	"time"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/store/memory"
)

func notSetUp() *scripted {
	return &scripted{events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl(), calls: map[string]int{}}
}

func (s *scripted) setUp(t *testing.T) error {
	return projection.Ensure(t.Context(), scriptedControl{s.control, s}, scriptedTables{s.tables, s}, readmodel.Orders())
}

func TestTwoProcessesThatSetUpAtOnceBothSucceed(t *testing.T) {
	t.Parallel()
	s := notSetUp()
	s.before = func(call string, _ int) error {
		if call == "SetPointer" { // the other one is faster
			return projection.Ensure(t.Context(), s.control, s.tables, readmodel.Orders())
		}
		return nil
	}
	if err := s.setUp(t); err != nil {
		t.Errorf("the slower one fails: %v", err)
	}
	p, err := s.control.Pointer(t.Context(), "orders")
	if v, ok := p.ActiveVersion(); err != nil || !ok || v.Number != 1 || p.Next != 2 || p.Changes != 1 || len(p.Versions) != 1 {
		t.Errorf("the pointer is %+v, %v", p, err)
	}
	if v, ok := (projection.Pointer{}).ActiveVersion(); ok {
		t.Errorf("a pointer without versions has an active one: %+v", v)
	}
}

func TestSettingUpOnAFailingStoreFails(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Pointer", "Create", "SetPointer"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			s := notSetUp()
			s.before = failing(call, 1, errDisk)
			if err := s.setUp(t); !errors.Is(err, errDisk) {
				t.Errorf("got %v, want that the disk is gone", err)
			}
			if p, err := s.control.Pointer(t.Context(), "orders"); !errors.Is(err, projection.ErrNoPointer) {
				t.Errorf("there is a pointer: %+v, %v", p, err)
			}
			if err := s.setUp(t); err != nil {
				t.Errorf("the second try: %v", err)
			}
		})
	}
}

func TestAPointerIsRememberedForItsTimeAndNoFailureIs(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	now := time.UnixMilli(1_000)
	c := &projection.CachedPointers{Source: scriptedControl{s.control, s}, TTL: time.Second, Now: func() time.Time { return now }}
	s.before = failing("Pointer", 1, errDisk)
	if _, err := c.Pointer(t.Context(), "orders"); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want that the disk is gone", err)
	}
	for _, step := range []struct {
		after time.Duration
		reads int
	}{{0, 2}, {time.Second - 1, 2}, {1, 3}, {time.Millisecond, 3}} {
		now = now.Add(step.after)
		if p, err := c.Pointer(t.Context(), "orders"); err != nil || p.Next != 2 || s.calls["Pointer"] != step.reads {
			t.Errorf("%s later: %+v, %v after %d reads, want %d", step.after, p, err, s.calls["Pointer"], step.reads)
		}
	}
}
