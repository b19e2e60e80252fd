package simulation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/rehearse/simulation"
)

// replicasReach is what runs of replication must reach.
var replicasReach = []string{"acknowledged", "acknowledged after a promotion", "promoted", "late put", "crash", "lost"}

// replicaRuns are cheap: many are played for each seed of the others.
const replicaRuns = 10

func TestAnyScheduleOfReplicationKeepsThePromises(t *testing.T) {
	t.Parallel()
	last := *first + *seeds*replicaRuns - 1
	if testing.Short() {
		last = *first + min(*seeds, short)*replicaRuns - 1
	}
	counts := map[string]int{}
	for s := *first; s <= last; s++ {
		r := simulation.RunReplicas(t.Context(), s, simulation.ReplicaMutation{})
		if r.Broken != "" {
			t.Fatalf("seed %d: %s", s, r.Broken)
		}
		add(counts, r.Counts)
	}
	t.Log(counts)
	if never := slices.DeleteFunc(slices.Clone(replicasReach), func(what string) bool { return counts[what] > 0 }); len(never) > 0 {
		t.Errorf("no run reached %q", never)
	}
}

// replicasWithin is by how many seeds a mistake has to be noticed.
const replicasWithin = 4000

// replicaMutations are mistakes in the protocol of replication, each made once.
var replicaMutations = map[string]simulation.ReplicaMutation{
	"a manifest is put unconditionally":      {Place: func(b eventlog.Blobs) eventlog.Blobs { return replacing{b} }},
	"a fence is put unconditionally":         {Standby: func(b eventlog.Blobs) eventlog.Blobs { return replacing{b} }},
	"a primary acknowledges without a lease": {NoLease: true},
	"a promotion does not wait":              {NoWait: true},
	"what is found in the fence's place is taken for it": {Standby: func(b eventlog.Blobs) eventlog.Blobs {
		return &blind{Blobs: b, own: map[string][]byte{}}
	}},
}

// That the lease counts from the answer is a mistake that package replica's own tests notice.
func TestMistakesInTheProtocolOfReplicationAreNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("these are thousands of runs")
	}
	t.Parallel()
	for name, m := range replicaMutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for s := uint64(1); s <= replicasWithin; s++ {
				if r := simulation.RunReplicas(t.Context(), s, m); r.Broken != "" {
					t.Logf("seed %d: %.200s", s, r.Broken)
					return
				}
			}
			t.Errorf("not noticed in %d runs", replicasWithin)
		})
	}
}

// replacing puts where it should create.
type replacing struct{ eventlog.Blobs }

func (r replacing) Create(ctx context.Context, key string, data []byte) error {
	return r.Put(ctx, key, data)
}

// blind does not see what is where it wanted to put a fence.
type blind struct {
	eventlog.Blobs
	own map[string][]byte
}

func (b *blind) Create(ctx context.Context, key string, data []byte) error {
	err := b.Blobs.Create(ctx, key, data)
	if errors.Is(err, eventlog.ErrExists) && strings.HasPrefix(key, "ledger/") {
		b.own[key], err = data, nil
	}
	return err
}

func (b *blind) Get(ctx context.Context, key string) ([]byte, error) {
	if data, ok := b.own[key]; ok {
		return data, nil
	}
	return b.Blobs.Get(ctx, key)
}
