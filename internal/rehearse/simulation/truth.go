package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

// seen is a row as far as the events determine it.
type seen struct {
	Version  uint64
	Data     string
	Place    model.Place
	ParkedAt uint64 // the version of the event that cannot be applied
}

func seenOf(r projection.Record) seen {
	s := seen{Version: r.Version, Data: string(r.Data), Place: r.Place}
	if r.Parked != nil {
		s.ParkedAt = r.Parked.EventVersion
	}
	return s
}

// truth is the event store with its events folded in the simplest way, without the engine. It also remembers
// which events were promised to be in the read model.
type truth struct {
	*memory.Events
	domain  domain
	all     []event.Event // in the order of appends
	streams map[string]*streamTruth
	names   []string // of the streams, sorted

	appended func(event.Event)

	mu   sync.Mutex
	wake chan struct{} // closed at the next append; guarded by mu
}

type streamTruth struct {
	events   []event.Event
	folds    map[int]*fold // by revision
	poisoned bool
	promised uint64 // the newest version whose delivery was acknowledged
}

// firstRevision is that of every domain's first projection.
const firstRevision = 1

// fold is a stream folded by one revision.
type fold struct {
	row     model.Row
	rows    []seen // by version; [0] is a stream without events. It ends at a poison event
	amounts [][]model.Contribution
}

func newStreamTruth(d domain) *streamTruth {
	s := &streamTruth{folds: map[int]*fold{}}
	for _, d := range d.revisions {
		s.folds[d.Revision] = &fold{row: d.NewRow(), rows: []seen{{}}, amounts: [][]model.Contribution{nil}}
	}
	return s
}

func newTruth(d domain) *truth {
	return &truth{Events: memory.NewEvents(), domain: d, streams: map[string]*streamTruth{}, wake: make(chan struct{})}
}

// nextAppend returns a channel that is closed at the next append.
func (t *truth) nextAppend() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wake
}

// Append is eventstore.Appender.
func (t *truth) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if err := t.Events.Append(ctx, stream, expected, events); err != nil {
		return err
	}
	s := t.streams[stream]
	if s == nil {
		s = newStreamTruth(t.domain)
		t.streams[stream] = s
		t.names = append(t.names, stream)
		slices.Sort(t.names)
	}
	for _, e := range events {
		t.all = append(t.all, e)
		t.appended(e)
		if err := s.add(e); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.wake)
	t.wake = make(chan struct{})
	return nil
}

func (s *streamTruth) add(e event.Event) error {
	s.events = append(s.events, e)
	if s.poisoned {
		return nil
	}
	for _, f := range s.folds {
		if !tombstone.Is(&e) && f.row.Apply(&e) != nil {
			s.poisoned = true
			f.rows[len(f.rows)-1].ParkedAt = e.Version
			continue
		}
		data, err := json.Marshal(f.row)
		if err != nil {
			return err
		}
		f.rows = append(f.rows, seen{Version: e.Version, Data: string(data), Place: f.row.Place()})
		f.amounts = append(f.amounts, slices.Clone(f.row.Contributions()))
	}
	return nil
}

// newest returns the row after all events, and its contributions to totals.
func (s *streamTruth) newest(revision int) (seen, []model.Contribution) {
	return s.at(revision, uint64(len(s.events)))
}

// at returns the row after so many events, and its contributions to totals.
func (s *streamTruth) at(revision int, length uint64) (seen, []model.Contribution) {
	f, version := s.folds[revision], min(length, s.last())
	row := f.rows[version]
	if length == version {
		row.ParkedAt = 0 // the event that cannot be applied is not among them
	}
	return row, f.amounts[version]
}

// last returns the newest version that can be applied.
func (s *streamTruth) last() uint64 {
	return uint64(len(s.folds[firstRevision].rows) - 1)
}

// due returns the lowest version that a row may have: the promised one, as far as it can be applied.
func (s *streamTruth) due() uint64 { return min(s.promised, s.last()) }

// checkTable compares a table version with the fold of all events; "" when they are equal.
func (t *truth) checkTable(ctx context.Context, revision int, store projection.Inspector, table projection.Table) string {
	want, wantTotals := map[string]seen{}, map[string]map[string]int64{}
	for _, name := range t.names {
		if !t.domain.folds(name) {
			continue
		}
		row, amounts := t.streams[name].newest(revision)
		want[name] = row
		for _, c := range amounts {
			addTotal(wantTotals, c)
		}
	}
	return compareTable(ctx, store, table, want, wantTotals)
}

// compareTable compares a table with the wanted rows and totals; "" when they are equal.
func compareTable(ctx context.Context, store projection.Inspector, table projection.Table, want map[string]seen, wantTotals map[string]map[string]int64) string {
	rows, _, err := store.Scan(ctx, table, eventstore.All, "", 10_000)
	if err != nil {
		return err.Error()
	}
	same := len(rows) == len(want)
	for _, r := range rows {
		same = same && want[r.Stream] == seenOf(r)
	}
	totals, err := store.Totals(ctx, table)
	if err != nil {
		return err.Error()
	}
	if same && sameTotals(wantTotals, totals) {
		return ""
	}
	got := map[string]seen{}
	for _, r := range rows {
		got[r.Stream] = seenOf(r)
	}
	return fmt.Sprintf("%s is not the fold of its events (-fold +table):\n%s%s", table, cmp.Diff(want, got), cmp.Diff(wantTotals, totals))
}

func addTotal(totals map[string]map[string]int64, c model.Contribution) {
	if c.Amount == 0 {
		return
	}
	if totals[c.Key] == nil {
		totals[c.Key] = map[string]int64{}
	}
	totals[c.Key][c.Field] += c.Amount
}

func sameTotals(a, b map[string]map[string]int64) bool {
	if len(a) != len(b) {
		return false
	}
	for key, fields := range a {
		if len(fields) != len(b[key]) {
			return false
		}
		for field, amount := range fields {
			if b[key][field] != amount {
				return false
			}
		}
	}
	return true
}
