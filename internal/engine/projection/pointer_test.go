package projection_test

import (
	"context"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/store/memory"
)

// slowPointers holds the answer of a read back until it is let go.
type slowPointers struct {
	projection.Pointers
	read  chan struct{} // closed once the slow read has read
	letGo chan struct{}
}

type slow struct{}

func (s *slowPointers) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	p, err := s.Pointers.Pointer(ctx, name)
	if ctx.Value(slow{}) != nil {
		close(s.read)
		<-s.letGo
	}
	return p, err
}

func TestASlowReadDoesNotBringTheOldVersionBack(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(c *projection.CachedPointers){
		"the newer one is remembered": func(*projection.CachedPointers) {},
		"the newer one was forgotten": func(c *projection.CachedPointers) { c.Forget("orders") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			control := memory.NewControl()
			source := &slowPointers{control, make(chan struct{}), make(chan struct{})}
			cached := &projection.CachedPointers{Source: source, TTL: time.Hour, Now: time.Now}
			change := func(number int, changes uint64) {
				p := projection.Pointer{Projection: "orders", Next: number + 1, Changes: changes, Versions: []projection.Version{{Number: number, State: projection.Active}}}
				if err := control.SetPointer(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			active := func(ctx context.Context) int {
				p, err := cached.Pointer(ctx, "orders")
				if err != nil {
					t.Error(err)
				}
				v, _ := p.ActiveVersion()
				return v.Number
			}
			change(1, 0)
			late := make(chan int)
			go func() { late <- active(context.WithValue(t.Context(), slow{}, true)) }()
			<-source.read
			change(2, 1)
			if got := active(t.Context()); got != 2 {
				t.Fatalf("version %d after the switch", got)
			}
			between(cached)
			close(source.letGo)
			if got := <-late; got != 2 {
				t.Errorf("the slow read answers version %d after others were shown 2", got)
			}
			if got := active(t.Context()); got != 2 {
				t.Errorf("version %d after version 2: readers went back", got)
			}
		})
	}
}

func TestWhatIsForgottenIsReadAgain(t *testing.T) {
	t.Parallel()
	control := memory.NewControl()
	cached := &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now}
	cached.Forget("orders")
	for number := range 3 {
		if err := control.SetPointer(t.Context(), projection.Pointer{Projection: "orders", Next: number + 1, Changes: uint64(number)}); err != nil {
			t.Fatal(err)
		}
		if number == 1 {
			if p, err := cached.Pointer(t.Context(), "orders"); err != nil || p.Next != 1 {
				t.Errorf("it does not remember: %+v, %v", p, err)
			}
			cached.Forget("orders")
		}
		if p, err := cached.Pointer(t.Context(), "orders"); err != nil || number < 2 && p.Next != number+1 {
			t.Errorf("after change %d: %+v, %v", number, p, err)
		}
	}
}
