package retire_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/loans"
	"gakushoku/internal/store/memory"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play the schedule of this seed only, and print it")
	seeds   = flag.Uint64("seeds", 300, "how many schedules to play")
)

// mistake is a change of the protocol that a schedule must notice.
type mistake struct {
	early         bool // events are deleted before the log has them
	unconditional bool // a tombstone is appended without its condition
	blind         bool // a load takes a hole for the end
	hasty         bool // what a slow command may still hold is retired
}

// schedule plays retiring beside commands, imports, the archiver and loads, over a store that only refuses versions
// that are taken. Between any two calls of the store anything else may happen, and a retirer may die.
type schedule struct {
	*world
	random  *rand.Rand
	mistake mistake
	truth   map[string][]event.Event // what was acknowledged, by stream
	held    []heldView
	shadow  *world // whose log is never behind, for a mistake
	depth   int
	broken  string
	history []string
	counts  map[string]int
}

// heldView is what a command has loaded and may still act on.
type heldView struct {
	id       string
	expected uint64
	at       time.Time
}

const holdsFor = 20 * time.Hour

func play(t *testing.T, seed uint64, m mistake) *schedule {
	s := &schedule{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 7)), mistake: m, truth: map[string][]event.Event{}, counts: map[string]int{}}
	s.events.Unchecked = true
	s.retirer.Store, s.retirer.Hold = &gated{s.events, s}, retire.LeastAge
	if m.hasty {
		s.retirer.Hold = 0
	}
	if m.early {
		s.shadow = newWorld(t)
		s.retirer.Log = s.shadow.log
	}
	for range 150 {
		s.step()
	}
	for id := range 3 {
		s.check(fmt.Sprint("l", id))
	}
	return s
}

func (s *schedule) note(format string, args ...any) {
	s.history = append(s.history, fmt.Sprintf("%*s", 2*s.depth, "")+fmt.Sprintf(format, args...))
}

func (s *schedule) violated(format string, args ...any) {
	if s.broken == "" {
		s.broken = fmt.Sprintf(format, args...)
		s.note("BROKEN: %s", s.broken)
	}
}

// step lets one thing happen.
func (s *schedule) step() {
	if s.broken != "" {
		return
	}
	id := fmt.Sprint("l", s.random.IntN(3))
	switch dice := s.random.IntN(20); {
	case dice < 4:
		if history, ok := s.load(id); ok {
			s.held = append(s.held, heldView{id, uint64(len(history)), s.now})
		}
	case dice < 8:
		s.act()
	case dice < 10:
		s.importOne(id)
	case dice < 13:
		s.archived()
	case dice < 15:
		s.now = s.now.Add(time.Duration(s.random.IntN(30)) * time.Hour)
	case dice < 17:
		s.check(id)
	case s.depth > 1:
	case dice < 19:
		s.depth++
		report, err := s.retirer.Run(s.t.Context(), retire.Options{OlderThan: retire.LeastAge, BatchSize: 1 + s.random.IntN(2)})
		s.depth--
		s.note("retires %d, finishes %d: %v", report.Streams, report.Finished, err)
		s.counts["retired"] += int(report.Streams)
		s.counts["finished"] += int(report.Finished)
		s.counts["changed"] += int(report.Kept.Changed)
		s.unless(err)
	default:
		s.depth++
		count, err := s.retirer.Restore(s.t.Context(), "loan-"+id)
		s.depth--
		s.note("puts %d events of %s back: %v", count, id, err)
		s.counts["put back"] += count
		s.unless(err)
	}
}

// unless breaks the promise that nothing fails but what was made to fail.
func (s *schedule) unless(err error) {
	if err != nil && !errors.Is(err, errDown) && !errors.Is(err, retire.ErrNotRetired) {
		s.violated("%v", err)
	}
}

// act lets a command append after what it has loaded, unless that is too long ago.
func (s *schedule) act() {
	if len(s.held) == 0 {
		return
	}
	at := s.random.IntN(len(s.held))
	v := s.held[at]
	s.held = slices.Delete(s.held, at, at+1)
	if s.now.Sub(v.at) < holdsFor {
		s.append(v.id, v.expected, s.now)
	}
}

// importOne appends an event that happened long ago.
func (s *schedule) importOne(id string) {
	s.append(id, uint64(len(s.truth["loan-"+id])), s.now.AddDate(-1, 0, 0))
}

func (s *schedule) append(id string, expected uint64, at time.Time) {
	p := event.Payload(loans.Taken{LoanID: id, Book: "b1"})
	if s.random.IntN(2) == 0 {
		p = loans.Returned{LoanID: id}
	}
	e, err := event.New(p)
	if err != nil {
		s.t.Fatal(err)
	}
	e.ID, e.OccurredAt = s.id(), event.InstantOf(at)
	err = s.record(s.t.Context(), "loan-"+id, expected, []event.Event{e})
	s.note("%s@%d %s: %v", id, expected, e.Type, err)
}

// record appends to the store and to the truth.
func (s *schedule) record(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if err := s.events.Append(ctx, stream, expected, events); err != nil {
		return err
	}
	if expected != uint64(len(s.truth[stream])) {
		s.violated("version %d of %s was given again: %d were acknowledged", expected+1, stream, len(s.truth[stream]))
	}
	s.truth[stream] = append(s.truth[stream], events...)
	if s.shadow != nil {
		if _, err := s.shadow.archive.Commit(ctx, []eventlog.Record{{Source: s.id(), Event: events[0]}}); err != nil {
			s.t.Fatal(err)
		}
	}
	return nil
}

// load loads a stream as a command does.
func (s *schedule) load(id string) ([]event.Event, bool) {
	s.depth++
	defer func() { s.depth-- }()
	var store eventstore.Loader = retire.Over(&pages{s.events, s}, s.log)
	if s.mistake.blind {
		store = s.events
	}
	history, err := store.Load(s.t.Context(), "loan-"+id, 0)
	s.unless(err)
	return history, err == nil
}

// check checks that a stream loads whole.
func (s *schedule) check(id string) {
	before := len(s.truth["loan-"+id])
	history, ok := s.load(id)
	if !ok || s.broken != "" {
		return
	}
	if len(history) < before || len(history) > len(s.truth["loan-"+id]) {
		s.violated("%s loads with %d events, %d were acknowledged", id, len(history), before)
		return
	}
	for i, e := range history {
		if want := s.truth["loan-"+id][i]; e.ID != want.ID || e.Version != uint64(i)+1 {
			s.violated("event %d of %s is %s at version %d", i+1, id, e.ID, e.Version)
			return
		}
	}
}

// pages is a store that loads page by page, between which other things happen.
type pages struct {
	*memory.Events
	s *schedule
}

func (p *pages) Load(ctx context.Context, stream string, after uint64) (all []event.Event, err error) {
	for {
		events, err := p.Events.Load(ctx, stream, after)
		if err != nil || len(events) == 0 {
			return all, err
		}
		all = append(all, events[0])
		after = events[0].Version
		if p.s.depth < 3 && p.s.random.IntN(3) == 0 {
			p.s.step()
		}
	}
}

// gated is the store of a retirer: before each call other things may happen, or it dies.
type gated struct {
	*memory.Events
	s *schedule
}

func (g *gated) gate() error {
	for g.s.depth < 3 && g.s.random.IntN(3) == 0 {
		g.s.step()
	}
	if g.s.random.IntN(15) == 0 {
		return errDown
	}
	return nil
}

func (g *gated) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	if err := g.gate(); err != nil {
		return nil, err
	}
	return g.Events.LoadMany(ctx, streams)
}

func (g *gated) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	if err := g.gate(); err != nil {
		return nil, err
	}
	return g.Events.Load(ctx, stream, after)
}

func (g *gated) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if err := g.gate(); err != nil {
		return err
	}
	err := g.s.record(ctx, stream, expected, events)
	if g.s.mistake.unconditional && errors.Is(err, eventstore.ErrConflict) {
		err = g.s.record(ctx, stream, uint64(len(g.s.truth[stream])), events)
	}
	if err == nil && g.s.random.IntN(10) == 0 {
		return errDown // its response is lost
	}
	return err
}

// Prune may die at any event.
func (g *gated) Prune(ctx context.Context, cuts []eventstore.Cut) (deleted int, err error) {
	for _, c := range cuts {
		if err := g.gate(); err != nil {
			some := eventstore.Cut{Stream: c.Stream, Through: g.s.random.Uint64N(c.Through + 1)}
			_, down := g.Events.Prune(ctx, []eventstore.Cut{some})
			return deleted, errors.Join(err, down)
		}
		n, err := g.Events.Prune(ctx, []eventstore.Cut{c})
		if deleted += n; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

func TestAnyScheduleOfRetiringKeepsStreamsWhole(t *testing.T) {
	t.Parallel()
	if *oneSeed != 0 {
		for _, line := range play(t, *oneSeed, mistake{}).history {
			t.Log(line)
		}
		return
	}
	counts := map[string]int{}
	for seed := uint64(1); seed <= *seeds; seed++ {
		s := play(t, seed, mistake{})
		if s.broken != "" {
			t.Fatalf("play it again with -seed=%d: %s", seed, s.broken)
		}
		for what, n := range s.counts {
			counts[what] += n
		}
		for _, history := range s.truth {
			if slices.ContainsFunc(history, func(e event.Event) bool { return tombstone.Is(&e) }) && !tombstone.Is(&history[len(history)-1]) {
				counts["went on"]++
			}
		}
	}
	t.Log(counts)
	for _, what := range []string{"retired", "finished", "changed", "put back", "went on"} {
		if counts[what] == 0 {
			t.Errorf("no schedule reached %q", what)
		}
	}
}

func TestMistakesInRetiringAreNoticed(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mistake{
		"events are deleted before the log has them":  {early: true},
		"a tombstone is appended without a condition": {unconditional: true},
		"a load takes a hole for the end":             {blind: true},
		"what a slow command may hold is retired":     {hasty: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const within = 5000
			for seed := uint64(1); seed <= within; seed++ {
				if s := play(t, seed, m); s.broken != "" {
					t.Logf("seed %d: %s", seed, s.broken)
					return
				}
			}
			t.Errorf("not noticed in %d schedules", within)
		})
	}
}
