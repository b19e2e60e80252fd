package simulation_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/rehearse/simulation"
)

// within is by how many seeds a mistake has to be noticed.
const within = 30_000

// mutations are mistakes in the protocol, each made once.
var mutations = map[string]simulation.Mutation{
	"a gap or a lost race is not healed":                  {Projector: withoutHeal},
	"rows are written without their condition":            {Projector: tables(func(t projection.Tables) projection.Tables { return faultport.Unconditional{Tables: t} })},
	"totals only ever grow":                               {Projector: tables(func(t projection.Tables) projection.Tables { return faultport.GrowingTotals{Tables: t} })},
	"heal reads streams that are not quite newest":        {Projector: staleStreams},
	"the head of the log moves without a condition":       {Ledger: newLooseHead},
	"a manifest names the hash of an older log":           {Ledger: newStaleChain},
	"live delivery joins before the plan":                 {Order: order("Join JoinWait Plan Replay Collect CatchUp StartVerify VerifyParts Verify Switch Soak Cleanup")},
	"no wait after the join":                              {Order: order("Plan Replay Collect Join CatchUp StartVerify VerifyParts Verify Switch Soak Cleanup")},
	"nothing is caught up":                                {Order: order("Plan Replay Collect Join JoinWait StartVerify VerifyParts Verify Switch Soak Cleanup")},
	"the pointer is switched before verification":         {Order: order("Plan Replay Collect Join JoinWait CatchUp Switch StartVerify VerifyParts Verify Soak Cleanup"), Before: map[rebuild.Step]func(*rebuild.Run){"Switch": trust}},
	"streams with a gap are not healed":                   {Before: map[rebuild.Step]func(*rebuild.Run){"CatchUp": forgetGaps}},
	"a worker writes rows without their condition":        {Sink: unconditionalSink},
	"each attempt of a worker adds its totals":            {Sink: totalsTwice},
	"a cleanup does not wait for readers":                 {Settings: func(s *rebuild.Settings) { s.PointerTTL = 0 }},
	"a lost ledger is not noticed":                        {Blobs: blindToManifests},
	"a new version takes the table that another has left": {Tables: withoutLeftTables},
	"the checkpoint moves before its batch is in":         {Feed: hasty},
	"the previous version is not written during the soak": {Pointers: withoutPrevious},
}

// showing is the seed to begin with for mistakes that few seeds show: one that showed it when it was
// looked for last. Where it does not any more, those after it are played.
var showing = map[string]uint64{
	"a cleanup does not wait for readers": 13728, "a lost ledger is not noticed": 450, "a new version takes the table that another has left": 726,
}

func order(stages string) (steps []rebuild.Step) {
	for name := range strings.FieldsSeq(stages) {
		steps = append(steps, rebuild.Step(name))
	}
	return steps
}

// trust switches to a version that was not verified.
func trust(run *rebuild.Run) { run.Verify = &rebuild.Verified{Sound: true} }

// forgetGaps lets the catch-up believe that it has healed the streams with a gap.
func forgetGaps(run *rebuild.Run) { run.CatchUp.Rounds = max(run.CatchUp.Rounds, 1) }

func TestMistakesInTheProtocolAreNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("these are thousands of runs")
	}
	t.Parallel()
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := max(1, showing[name])
			for s := from; s < from+within; s++ {
				if r := simulation.Run(t, s, m, false); r.Broken != "" {
					t.Logf("seed %d: %.200s", s, r.Broken)
					return
				}
			}
			t.Errorf("not noticed in %d runs", within)
		})
	}
}

// withoutHeal lets a heal see no more of a stream than the row has.
func withoutHeal(t projection.Tables, l eventstore.Loader) (projection.Tables, eventstore.Loader) {
	h := &blindHeal{Tables: t, loader: l, rows: map[string]projection.Record{}}
	return h, h
}

type blindHeal struct {
	projection.Tables
	loader eventstore.Loader
	rows   map[string]projection.Record
}

func (h *blindHeal) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	found, err := h.Tables.Records(ctx, t, streams)
	for _, s := range streams {
		h.rows[s] = found[s]
	}
	return found, err
}

func (h *blindHeal) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	return h.loader.Load(ctx, stream, after)
}

func (h *blindHeal) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	all, err := h.loader.LoadMany(ctx, streams)
	for name, events := range all {
		n := h.rows[name].Version
		if h.rows[name].Parked != nil {
			n++
		}
		all[name] = events[:min(n, uint64(len(events)))]
	}
	return all, err
}

// tables is a mistake in the tables that projectors write.
func tables(with func(projection.Tables) projection.Tables) func(projection.Tables, eventstore.Loader) (projection.Tables, eventstore.Loader) {
	return func(t projection.Tables, l eventstore.Loader) (projection.Tables, eventstore.Loader) {
		return with(t), l
	}
}

func staleStreams(t projection.Tables, l eventstore.Loader) (projection.Tables, eventstore.Loader) {
	return t, faultport.Stale{Loader: l}
}

// looseHead is a ledger whose commits look at claims, but not at whether the head has moved.
type looseHead struct {
	eventlog.Ledger
	head      eventlog.Head
	claims    map[string]eventlog.Claim
	manifests []eventlog.Manifest
}

func newLooseHead(l eventlog.Ledger) eventlog.Ledger {
	return &looseHead{Ledger: l, claims: map[string]eventlog.Claim{}}
}

func (l *looseHead) Head(context.Context) (eventlog.Head, error) { return l.head, nil }

func (l *looseHead) Claimed(_ context.Context, source string) (eventlog.Claim, error) {
	return l.claims[source], nil
}

func (l *looseHead) Commit(_ context.Context, c eventlog.Commit) error {
	if l.claims[c.Source].Records > 0 {
		return eventlog.ErrClaimed
	}
	l.claims[c.Source] = eventlog.Claim{Records: c.Records, First: c.Manifest.First}
	l.manifests = append(l.manifests, c.Manifest)
	l.head = eventlog.Head{Number: c.Manifest.Last, Segments: l.head.Segments + 1, CommittedAt: c.Manifest.CreatedAt, Chain: c.Manifest.Chained()}
	return nil
}

func (l *looseHead) Manifests(_ context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	var page []eventlog.Manifest
	for _, m := range l.manifests {
		if m.Last > after && len(page) < limit {
			page = append(page, m)
		}
	}
	return page, nil
}

// newStaleChain lets an archiver that lost a race try again with the hash that it read before: whoever was
// faster is not in the chain, and could be left out or changed.
func newStaleChain(l eventlog.Ledger) eventlog.Ledger {
	return &staleChain{Ledger: l, named: map[uint64]string{}}
}

type staleChain struct {
	eventlog.Ledger
	lost  string            // the hash that the last commit that lost had named
	named map[uint64]string // the wrong hashes, by the first number of the segments
}

func (l *staleChain) Head(ctx context.Context) (eventlog.Head, error) {
	head, err := l.Ledger.Head(ctx)
	if l.lost != "" {
		head.Chain, l.lost = l.lost, ""
	}
	return head, err
}

// Commit does not compare the hash with that of the head.
func (l *staleChain) Commit(ctx context.Context, c eventlog.Commit) error {
	named := c.Manifest.Previous
	head, err := l.Ledger.Head(ctx)
	if err == nil && head.Number > 0 {
		c.Manifest.Previous = head.Chain
	}
	if err == nil {
		err = l.Ledger.Commit(ctx, c)
	}
	switch {
	case errors.Is(err, eventlog.ErrHeadMoved):
		l.lost = named
	case err == nil && named != c.Manifest.Previous:
		l.named[c.Manifest.First] = named
	}
	return err
}

func (l *staleChain) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	page, err := l.Ledger.Manifests(ctx, after, limit)
	for i := range page {
		if named := l.named[page[i].First]; named != "" {
			page[i].Previous = named
		}
	}
	return page, err
}

// unconditionalSink puts rows whatever is there.
func unconditionalSink(s projection.Sink, t projection.Tables) projection.Sink {
	return &overwritingSink{s, t}
}

type overwritingSink struct {
	projection.Sink
	tables projection.Tables
}

func (s *overwritingSink) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	rows := 0
	for r, err := range part.Rows {
		if err != nil {
			return 0, err
		}
		current, err := s.tables.Records(ctx, t, []string{r.Stream})
		if err != nil {
			return 0, err
		}
		if _, err := s.tables.Write(ctx, t, []projection.Change{{Record: r, Expected: current[r.Stream].Writes}}); err != nil {
			return 0, err
		}
		rows++
	}
	part.Rows = func(func(projection.Record, error) bool) {}
	if _, err := s.Sink.PutPart(ctx, t, part); err != nil {
		return 0, err
	}
	return rows, nil
}

// totalsTwice lets a sink take each attempt at a part for another part.
func totalsTwice(s projection.Sink, _ projection.Tables) projection.Sink { return addingSink{s} }

type addingSink struct{ projection.Sink }

var attempts atomic.Int64

func (s addingSink) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	part.Name += "-" + strconv.FormatInt(attempts.Add(1), 10)
	return s.Sink.PutPart(ctx, t, part)
}

// withoutPrevious makes projectors believe that the previous version is not needed.
func withoutPrevious(p projection.Pointers) projection.Pointers { return activeOnly{p} }

type activeOnly struct{ projection.Pointers }

func (p activeOnly) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	pointer, err := p.Pointers.Pointer(ctx, name)
	for i := range pointer.Versions {
		if v := &pointer.Versions[i]; v.State == projection.Previous {
			v.State = projection.Scratch
		}
	}
	return pointer, err
}

// blindToManifests hides from an archiver that a segment begins with the number that is next.
func blindToManifests(b eventlog.Blobs) eventlog.Blobs { return withoutFirstByte{b} }

type withoutFirstByte struct{ eventlog.Blobs }

func (b withoutFirstByte) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if length == 1 && strings.HasPrefix(key, eventlog.ManifestFolder) {
		return nil, eventlog.ErrNoBlob
	}
	return b.Blobs.GetRange(ctx, key, offset, length)
}

// withoutLeftTables lets a rebuild believe that there is no table of any number.
func withoutLeftTables(s projection.Store) projection.Store { return noTableThere{s} }

type noTableThere struct{ projection.Store }

func (s noTableThere) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	if stream == "-" {
		return projection.Record{}, projection.ErrNoTable
	}
	return s.Store.Record(ctx, t, stream)
}

// hasty moves the checkpoint as soon as a batch is read, so that a stop in the middle of it loses
// the rest.
func hasty(f eventstore.Feed, c projection.Checkpoints) eventstore.Feed { return hastyFeed{f, c} }

type hastyFeed struct {
	eventstore.Feed
	checkpoints projection.Checkpoints
}

func (f hastyFeed) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	events, next, err := f.Feed.Read(ctx, cursor, limit)
	if err == nil && len(events) > 0 {
		err = f.checkpoints.SetCheckpoint(ctx, "projector", projection.Checkpoint{Cursor: next})
	}
	return events, next, err
}
