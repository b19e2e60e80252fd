package projector

import (
	"sync"
	"testing"

	"gakushoku/internal/store/memory"
)

func TestTheFirstUseSetsAProjectionUpOnce(t *testing.T) {
	t.Parallel()
	control, tables := memory.NewControl(), memory.NewTables()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			s := &SelfSetup{Pointers: control, Tables: tables}
			p, err := s.Pointer(t.Context(), "orders")
			if v, ok := p.ActiveVersion(); err != nil || !ok || v.Number != 1 {
				t.Errorf("%+v %v", p, err)
			}
		})
	}
	running.Wait()
	if p, err := control.Pointer(t.Context(), "orders"); err != nil || p.Changes != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := (&SelfSetup{Pointers: control, Tables: tables}).Pointer(t.Context(), "menu"); err == nil {
		t.Error("a projection that nobody knows was set up")
	}
}
