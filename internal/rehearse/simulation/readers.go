package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/rehearse/faultport"
)

// guest is a reader: an instance of the query function, with a memory of what it showed.
type guest struct {
	name    string
	process *process
	service query.Queries
	browser *watchedBrowser
	shown   map[shownKey]uint64
	busy    bool
}

type shownKey struct {
	table  projection.Table
	stream string
}

// watchedBrowser remembers which version a response came from.
type watchedBrowser struct {
	faultport.Tables
	table projection.Table
}

func (b *watchedBrowser) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	b.table = t
	return b.Tables.Record(ctx, t, stream)
}

func (w *world) startGuest(i int) *guest {
	g := &guest{name: fmt.Sprintf("guest-%d", i), shown: map[shownKey]uint64{}}
	w.connect(g)
	return g
}

// connect gives the guest a new instance, without memory of the pointer.
func (w *world) connect(g *guest) {
	g.process = w.s.start(fmt.Sprintf("%s.%d", g.name, w.s.started+1))
	g.process.speed = w.someSpeed()
	g.browser = &watchedBrowser{Tables: w.tablesOf(g.process)}
	g.busy = false
	g.service = (&query.Reader{
		Pointers:    &projection.CachedPointers{Source: w.pointersOf(g.process), TTL: pointerTTL, Now: time.Now},
		Browser:     g.browser,
		Streams:     w.eventsOf(g.process),
		Projections: w.code(),
		Now:         time.Now,
	}).Of(w.domain.view)
}

// ask lets a guest read an order and judges the response.
func (w *world) ask(g *guest) {
	if g.process.dead {
		w.connect(g)
	}
	if g.busy || len(w.truth.names) == 0 {
		return
	}
	stream := w.truth.names[w.s.random.IntN(len(w.truth.names))]
	if !w.domain.folds(stream) {
		return
	}
	s := w.truth.streams[stream]
	due, began := s.due(), time.Now()
	g.busy = true
	var got query.Row
	g.process.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		var err error
		got, err = g.service.Get(ctx, strings.TrimPrefix(stream, w.domain.view.Kind.Prefix), 0)
		return err
	}, func(err error) {
		g.busy = false
		w.judge(g, stream, due, began, got, err)
	})
}

// activeTable returns the table that readers should see now.
func (w *world) activeTable() projection.Table {
	pointer, err := w.control.Pointer(context.Background(), w.domain.name())
	if err != nil {
		w.violated("%v", err)
	}
	active, _ := pointer.ActiveVersion()
	return pointer.Table(active)
}

// judge compares a response with the promises. Reads that failed, or took longer than a
// request may, say nothing.
func (w *world) judge(g *guest, stream string, due uint64, began time.Time, got query.Row, err error) {
	refused, isRefusal := err.(interface{ DomainCode() string })
	if err != nil && !isRefusal {
		return
	}
	w.s.counts["answer"]++
	if g.browser.table != w.activeTable() {
		w.s.counts["answer from a version that is not the active one any more"]++
	}
	if isRefusal {
		w.s.history.note(g.name, "is told by %s: %s", g.browser.table, refused.DomainCode())
		if due > 0 {
			w.violated("%s does not find %s in %s, which had version %d at %s", g.name, stream, g.browser.table, due, began)
		}
		return
	}
	w.s.history.note(g.name, "sees %s@%d in %s", stream, got.Version, g.browser.table)
	key := shownKey{g.browser.table, stream}
	switch rows := w.truth.streams[stream].folds[w.revisions[g.browser.table.Version]].rows; {
	case got.Version < due:
		w.violated("%s sees version %d of %s in %s, which had version %d before it asked", g.name, got.Version, stream, g.browser.table, due)
	case got.Version < g.shown[key]:
		w.violated("%s sees %s go back from version %d to %d in %s", g.name, stream, g.shown[key], got.Version, g.browser.table)
	case got.Version >= uint64(len(rows)) || rows[got.Version].Data != string(got.Data):
		w.violated("%s sees in %s a version %d of %s that is not the fold of its events: %s", g.name, g.browser.table, got.Version, stream, got.Data)
	}
	g.shown[key] = max(g.shown[key], got.Version)
}
