package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	engine "gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
	"gakushoku/internal/store/memory"
)

// audited is a canteen whose commands are recorded.
type audited struct {
	t        *testing.T
	events   *memory.Events
	ledger   *memory.Ledger
	blobs    *memory.Blobs
	keys     *memory.SubjectKeys
	commands *command.Handler
	recorder *engine.Recorder
	archived int
}

func newAudited(t *testing.T) *audited {
	a := &audited{t: t, events: memory.NewEvents(), ledger: memory.NewLedger(), blobs: memory.NewBlobs(), keys: memory.NewSubjectKeys()}
	entries := &engine.Entries{Box: a.box()}
	a.commands = &command.Handler{Streams: a.events, Now: time.Now, NewID: observe.NewID, Entries: entries}
	a.recorder = &engine.Recorder{Streams: a.events, Entries: entries, Instance: "one", Now: time.Now, NewID: observe.NewID}
	return a
}

func (a *audited) box() *subject.Box { return &subject.Box{Keys: a.keys, Now: time.Now} }

// as is the context of a request of a caller.
func (a *audited) as(name, role string) context.Context {
	ctx := observe.WithCaller(observe.WithCorrelationID(a.t.Context(), "c-"+name), observe.Caller{Name: name, Person: "Aiko " + name, Role: role, Scopes: observe.EveryScope})
	return observe.WithOrigin(ctx, observe.Origin{Route: "POST /orders", Address: "203.0.113.7", Program: "till/" + name})
}

// place places an order; if that is refused, the refusal is recorded as the entrance does.
func (a *audited) place(ctx context.Context, id string) error {
	total := int64(780)
	_, err := command.Execute(ctx, a.commands, order.Rules, command.Request[order.Command]{Command: order.PlaceOrder{OrderID: id, Total: &total}})
	if err != nil {
		a.recorder.Refused(ctx, engine.Refusal{Command: "PlaceOrder", On: "/orders", Code: "order/already-exists"})
	}
	return err
}

// archive brings the log up to date, by segments of at most that many events.
func (a *audited) archive(most int) {
	a.t.Helper()
	all, err := a.all()
	if err != nil {
		a.t.Fatal(err)
	}
	for batch := range slices.Chunk(all[a.archived:], most) {
		records := make([]eventlog.Record, len(batch))
		for i := range batch {
			records[i] = eventlog.Record{Source: batch[i].ID, Event: batch[i]}
		}
		archiver := eventlog.Archiver{Ledger: a.ledger, Blobs: a.blobs, Now: time.Now, NewID: observe.NewID}
		if _, err := archiver.Commit(a.t.Context(), records); err != nil {
			a.t.Fatal(err)
		}
	}
	a.archived = len(all)
}

func (a *audited) all() (all []event.Event, err error) {
	names, _, err := a.events.Streams(a.t.Context(), eventstore.All, "", 10_000)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		events, err := a.events.Load(a.t.Context(), name, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	return all, nil
}

func (a *audited) log() *eventlog.Reader { return &eventlog.Reader{Ledger: a.ledger, Blobs: a.blobs} }

func (a *audited) list(f audit.Filter) []audit.Entry {
	a.t.Helper()
	entries, err := (&audit.Lister{Log: a.log(), Box: a.box()}).List(a.t.Context(), f)
	if err != nil {
		a.t.Fatal(err)
	}
	return entries
}

func (a *audited) verify() *audit.Report {
	a.t.Helper()
	v := audit.Verification{
		Seals: &seal.Check{Ledger: a.ledger, Places: []eventlog.BlobReader{a.blobs}},
		Log:   &logcheck.Log{Ledger: a.ledger, Blobs: a.blobs, Store: a.events, Now: time.Now},
	}
	r, err := v.Verify(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func TestParallelCommandsGiveAnEntryEachAndOneHead(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	var group sync.WaitGroup
	for n := range 30 {
		group.Go(func() {
			if err := a.place(a.as(fmt.Sprint("guest-", n%3), "guest"), fmt.Sprint("o", n)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	a.archive(7)
	if entries := a.list(audit.Filter{}); len(entries) != 30 {
		t.Errorf("%d entries", len(entries))
	}
	if r := a.verify(); !r.Sound || r.Commands.Accepted != 30 || r.Commands.Missing != 0 || r.Chain.Head.Number != 30 || r.Chain.Since != 1 || r.Chain.Without != 0 {
		t.Errorf("%+v %+v", r.Chain, r.Commands)
	}
}

func TestAnEntrySaysWhoDidWhatFromWhere(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	if err := a.place(a.as("u1", "cashier"), "o1"); err != nil {
		t.Fatal(err)
	}
	if err := a.place(a.as("u2", "guest"), "o1"); err == nil {
		t.Fatal("an order twice")
	}
	if err := a.place(t.Context(), "o1"); err == nil { // nobody
		t.Fatal("an order twice")
	}
	a.archive(10)
	entries := a.list(audit.Filter{})
	if len(entries) != 2 {
		t.Fatalf("%+v", entries)
	}
	accepted, refused := entries[0], entries[1]
	if accepted.Command != "PlaceOrder" || accepted.Result != audit.Accepted || accepted.Caller != "u1" || accepted.Role != "cashier" || accepted.Route != "POST /orders" ||
		accepted.Address != "203.0.113.7" || accepted.Program != "till/u1" || accepted.Name != "Aiko u1" || accepted.CorrelationID != "c-u1" || accepted.On != "order-o1" || accepted.At == 0 {
		t.Errorf("%+v", accepted)
	}
	if refused.Result != audit.Refused || refused.Code != "order/already-exists" || refused.Caller != "u2" || refused.On != "/orders" || refused.Address != "203.0.113.7" || refused.Command != "PlaceOrder" {
		t.Errorf("%+v", refused)
	}
	for _, c := range []struct {
		filter audit.Filter
		want   int
	}{
		{audit.Filter{User: "u1"}, 1}, {audit.Filter{User: "u"}, 0}, {audit.Filter{Command: "placeorder"}, 2}, {audit.Filter{Command: "PayOrder"}, 0},
		{audit.Filter{Route: "/orders"}, 2}, {audit.Filter{Result: audit.Refused}, 1}, {audit.Filter{Since: accepted.At + 3_600_000}, 0},
		{audit.Filter{Until: accepted.At}, 0}, {audit.Filter{Since: accepted.At, Until: accepted.At + 3_600_000}, 2},
	} {
		if got := a.list(c.filter); len(got) != c.want {
			t.Errorf("%+v selects %d, want %d", c.filter, len(got), c.want)
		}
	}
}

func TestNoPlainTextIsInAnEvent(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	if err := a.place(a.as("u1", "guest"), "o1"); err != nil {
		t.Fatal(err)
	}
	all, err := a.all()
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		line := string(event.AppendJSON(nil, &all[i]))
		for _, text := range []string{"Aiko", "203.0.113.7", "till/"} {
			if strings.Contains(line, text) {
				t.Errorf("%s is in %s", text, line)
			}
		}
	}
}

func TestAnAcceptedCommandWithoutAnEntryIsNamed(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	old := event.Event{ID: "old", Type: "T", Stream: "s-old", Version: 1, OccurredAt: 1, CommandID: "k", CommandHash: "h", Payload: []byte("{}")}
	imported := event.Event{ID: "seed", Type: "T", Stream: "s-seed", Version: 1, OccurredAt: 1, Payload: []byte("{}")}
	for _, e := range []event.Event{old, imported} {
		if err := a.events.Append(t.Context(), e.Stream, 0, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	a.archive(10)
	if err := a.place(a.as("u1", "guest"), "o1"); err != nil {
		t.Fatal(err)
	}
	a.archived = 0
	a.ledger, a.blobs = memory.NewLedger(), memory.NewBlobs()
	all, err := a.all()
	if err != nil {
		t.Fatal(err)
	}
	late := old
	late.ID, late.Stream, late.OccurredAt = "late", "s-z", all[0].OccurredAt+3_600_000
	for i := range all {
		late.OccurredAt = max(late.OccurredAt, all[i].OccurredAt+1)
	}
	if err := a.events.Append(t.Context(), late.Stream, 0, []event.Event{late}); err != nil {
		t.Fatal(err)
	}
	a.archive(1)
	r := a.verify()
	if r.Sound || r.Commands.Missing != 1 || len(r.Commands.Lacking) != 1 || !strings.Contains(r.Commands.Lacking[0], "s-z version 1") {
		t.Errorf("%+v %+v", r.Commands, r.Log.Problems)
	}
}

func TestAnErasedSubjectKeepsItsEntriesAndNothingElse(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	for _, who := range []string{"u1", "u2"} {
		if err := a.place(a.as(who, "guest"), "o-"+who); err != nil {
			t.Fatal(err)
		}
	}
	a.archive(10)
	logged := ""
	s := &audit.Subjects{
		Eraser: &subject.Eraser{Keys: a.keys, Streams: a.events, Now: time.Now, NewID: observe.NewID}, Box: a.box(), Store: a.events,
		EachEvent: func(ctx context.Context, do func(*event.Event) error) error {
			a.archive(10)
			head, err := a.log().Head(ctx)
			if err != nil {
				return err
			}
			return a.log().Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error { return do(e) })
		},
		Elsewhere: func(_ context.Context, texts []string, found func(place, text string)) error {
			for _, text := range texts {
				if strings.Contains(logged, text) {
					found("logs", text)
				}
			}
			return nil
		},
	}
	logged = "Aiko u1 was here"
	if f, err := s.Find(t.Context(), "u1", nil); err != nil || f.Total() != 1 || f.Plain["logs"] != 1 || f.LookedAt != 3 || f.Commands != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	logged = ""
	if f, err := s.Erase(t.Context(), "u1", nil); err != nil || !f.First || f.Total() != 0 || f.LookedAt != 3 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := s.Erase(t.Context(), "u9", nil); !errors.Is(err, audit.ErrUnknownSubject) {
		t.Errorf("erased a caller who is not there: %v", err)
	}
	if _, err := a.keys.Key(t.Context(), "u9"); !errors.Is(err, subject.ErrNoKey) {
		t.Errorf("it left a tombstone: %v", err)
	}
	before := len(a.list(audit.Filter{}))
	if f, err := s.Erase(t.Context(), "u1", []string{"Aiko u1"}); err != nil || f.First || f.Total() != 0 || f.LookedAt != 1 {
		t.Errorf("again: %+v, %v", f, err)
	}
	entries := a.list(audit.Filter{})
	if len(entries) != before {
		t.Errorf("the second call left %d entries, there were %d", len(entries), before)
	}
	for _, e := range entries {
		if erased := e.Caller == "u1"; e.Erased != erased || (e.Name == "") != erased || e.Command != "PlaceOrder" {
			t.Errorf("%+v", e)
		}
	}
}
