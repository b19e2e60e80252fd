package simulation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/app/checkout"
	domain "gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/rehearse/simulation"
)

// shopReaches is what runs of checkouts must reach.
var shopReaches = []string{
	"step reserve", "step expire", "step capture", "step confirm", "step void", "step refund", "step release",
	"sold", "released", "refunded", "stuck", "switch", "crash", "snapshot read", "snapshot written",
}

func TestAnyScheduleOfCheckoutsAddsUp(t *testing.T) {
	t.Parallel()
	last := *first + *seeds - 1
	if testing.Short() {
		last = *first + min(*seeds, short) - 1
	}
	if *seed != 0 {
		t.Log(strings.Join(playShop(t, *seed).History, "\n"))
		return
	}
	counts := map[string]int{}
	for s := *first; s <= last; s++ {
		add(counts, playShop(t, s).Counts)
	}
	t.Log(counts)
	if last-*first+1 < usual {
		return
	}
	if never := slices.DeleteFunc(slices.Clone(shopReaches), func(what string) bool { return counts[what] > 0 }); len(never) > 0 {
		t.Errorf("no run reached %q", never)
	}
}

func playShop(t *testing.T, s uint64) simulation.Result {
	t.Helper()
	r := simulation.RunShop(t, s, simulation.ShopMutation{}, *seed != 0)
	if r.Broken != "" {
		t.Fatalf("play it again with -seed=%d:\n%s\n%s", s, strings.Join(r.History, "\n"), r.Broken)
	}
	return r
}

// shopMutations are mistakes in the protocol of processes, each made once.
var shopMutations = map[string]simulation.ShopMutation{
	"each attempt at a step has an id of its own":       {Provider: func(p payment.Provider) payment.Provider { return &forgetful{Provider: p} }},
	"the outcome is recorded before the call":           {Steps: wrong(func(s *simulation.Steps) { s.RecordFirst = true })},
	"undoing goes on before the payment is settled":     {Steps: wrong(func(s *simulation.Steps) { s.VoidLast = true })},
	"a release without a reservation leaves no mark":    {Steps: wrong(func(s *simulation.Steps) { s.NoMark = true })},
	"deadlines are kept in memory and lost in a crash":  {Rows: func(t projection.Tables) projection.Tables { return withoutDeadlines{t} }},
	"rows of a version being built are carried out":     {Pointers: func(p projection.Pointers) projection.Pointers { return impatient{p} }},
	"the index of what is due is not written with rows": {Rows: func(t projection.Tables) projection.Tables { return oldTasks{t} }},
	"the revision of a snapshot is ignored": {States: func(s streamstate.Store, _ simulation.Loader) streamstate.Store {
		return anyRevision{s}
	}},
	"a snapshot is taken for the stream's newest state": {States: func(s streamstate.Store, l simulation.Loader) streamstate.Store {
		return newestState{s, l}
	}},
}

// anyRevision reads the snapshots of every program.
type anyRevision struct{ streamstate.Store }

func (a anyRevision) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	s, err := a.Store.Snapshot(ctx, stream)
	if s.Version > 0 {
		s.Revision = stock.Rules.Snapshots.Revision
	}
	return s, err
}

// newestState takes a snapshot for the state after the last event.
type newestState struct {
	streamstate.Store
	streams simulation.Loader
}

func (n newestState) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	s, err := n.Store.Snapshot(ctx, stream)
	if err != nil || s.Version == 0 {
		return s, err
	}
	events, err := n.streams.Load(ctx, stream, 0)
	if err == nil && len(events) > 0 {
		s.Version, s.EventID = events[len(events)-1].Version, events[len(events)-1].ID
	}
	return s, err
}

// wrong carries out steps with a mistake.
func wrong(mistake func(*simulation.Steps)) func(*command.Handler, payment.Provider) process.Performer {
	return func(h *command.Handler, p payment.Provider) process.Performer {
		s := &simulation.Steps{Performer: checkout.Performer{Commands: h, Payments: p, Now: time.Now}}
		mistake(s)
		return s
	}
}

func TestMistakesInTheProtocolOfProcessesAreNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("these are thousands of runs")
	}
	t.Parallel()
	for name, m := range shopMutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for s := uint64(1); s <= within; s++ {
				if r := simulation.RunShop(t, s, m, false); r.Broken != "" {
					t.Logf("seed %d: %.200s", s, r.Broken)
					return
				}
			}
			t.Errorf("not noticed in %d runs", within)
		})
	}
}

// forgetful calls the provider with another key each time.
type forgetful struct{ payment.Provider }

var tries atomic.Int64

func (p *forgetful) Capture(ctx context.Context, key string, yen int64) (payment.Receipt, error) {
	return p.Provider.Capture(ctx, fmt.Sprintf("%s.%d", key, tries.Add(1)), yen)
}

// withoutDeadlines stores no task that is a deadline: somebody is to remember it.
type withoutDeadlines struct{ projection.Tables }

func (w withoutDeadlines) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	for i := range changes {
		if task := changes[i].Task; task != nil && task.Step == domain.StepExpire {
			changes[i].Task = nil
		}
	}
	return w.Tables.Write(ctx, t, changes)
}

// oldTasks writes a row and leaves the entry of its task as it was.
type oldTasks struct{ projection.Tables }

func (o oldTasks) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	for i := range changes {
		if changes[i].Expected == 0 {
			continue
		}
		rows, err := o.Records(ctx, t, []string{changes[i].Stream})
		if err != nil {
			return nil, err
		}
		changes[i].Task = rows[changes[i].Stream].Task
	}
	return o.Tables.Write(ctx, t, changes)
}

// impatient takes a version that is being built for the active one.
type impatient struct{ projection.Pointers }

func (p impatient) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	pointer, err := p.Pointers.Pointer(ctx, name)
	for i, v := range pointer.Versions {
		if v.State == projection.Building {
			for k := range pointer.Versions {
				pointer.Versions[k].State = projection.Previous
			}
			pointer.Versions[i].State = projection.Active
		}
	}
	return pointer, err
}

func TestASeedOfCheckoutsPlaysTheSameRun(t *testing.T) {
	t.Parallel()
	for s := uint64(1); s <= short; s++ {
		a, b := simulation.RunShop(t, s, simulation.ShopMutation{}, false), simulation.RunShop(t, s, simulation.ShopMutation{}, false)
		if a.Digest != b.Digest {
			a, b = simulation.RunShop(t, s, simulation.ShopMutation{}, true), simulation.RunShop(t, s, simulation.ShopMutation{}, true)
			t.Errorf("seed %d: two runs differ: %s", s, firstDifference(a.History, b.History))
		}
	}
}
