package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
	"gakushoku/internal/store/memory"
)

func check(t *testing.T, probes ...Probe) Report {
	t.Helper()
	c := &Checker{Probes: probes, Timeout: 50 * time.Millisecond, Now: time.Now}
	return c.Check(t.Context())
}

func well(name string) Probe {
	return Probe{Name: name, Check: func(context.Context) (string, error) { return "fine", nil }}
}

func failingWith(err error) Probe {
	return Probe{Name: "sick", Check: func(context.Context) (string, error) { return "", err }}
}

func TestAllPartsAreReportedInOrder(t *testing.T) {
	t.Parallel()
	r := check(t, well("a"), failingWith(Problemf("the soup is cold")), well("c"))
	if r.Status != Failing || len(r.Parts) != 3 || r.Parts[0].Name != "a" || r.Parts[2].Name != "c" {
		t.Fatalf("%+v", r)
	}
	if r.Parts[0].Status != OK || r.Parts[0].Detail != "fine" || r.Parts[1].Status != Failing || r.Parts[1].Detail != "the soup is cold" {
		t.Errorf("%+v", r.Parts)
	}
	if r := check(t, well("a")); r.Status != OK {
		t.Errorf("%+v", r)
	}
	if r := check(t); r.Status != OK {
		t.Errorf("nothing to look at: %+v", r)
	}
}

func TestProbesRunAtOnce(t *testing.T) {
	t.Parallel()
	// Each waits for the other, so one after the other would end at the time limit.
	a, b := make(chan struct{}), make(chan struct{})
	meet := func(mine, theirs chan struct{}) Probe {
		return Probe{Name: "meeting", Check: func(ctx context.Context) (string, error) {
			close(mine)
			select {
			case <-theirs:
				return "", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}}
	}
	c := &Checker{Probes: []Probe{meet(a, b), meet(b, a)}, Timeout: time.Minute, Now: time.Now}
	if r := c.Check(t.Context()); r.Status != OK {
		t.Errorf("%+v", r)
	}
}

func TestAProbeThatHangsOrPanicsFails(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	for want, p := range map[string]Probe{
		"no answer with": {Name: "deaf", Check: func(context.Context) (string, error) { <-release; return "", nil }},
		"within 50ms":    {Name: "late", Check: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }},
		"see the log":    {Name: "broken", Check: func(context.Context) (string, error) { panic("secret") }},
		"cannot be reac": failingWith(errors.New("secret: dial tcp 10.0.0.7")),
	} {
		r := check(t, p)
		if r.Status != Failing || !strings.Contains(r.Parts[0].Detail, want) || strings.Contains(r.Parts[0].Detail, "secret") {
			t.Errorf("%s: %+v", p.Name, r)
		}
	}
}

func TestTheLogHasWhatClientsDoNotHear(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := &Checker{Probes: []Probe{failingWith(errors.New("dial tcp 10.0.0.7"))}, Now: time.Now}
	c.Check(observe.WithLogger(t.Context(), observe.NewLogger(&log, zerolog.InfoLevel, "health")))
	if line := log.String(); !strings.Contains(line, "10.0.0.7") || !strings.Contains(line, `"part":"sick"`) {
		t.Errorf("log %s", line)
	}
}

type brokenStreams struct{}

func (brokenStreams) Load(context.Context, string, uint64) ([]event.Event, error) {
	return nil, errors.New("down")
}

func TestProbesOfTheStores(t *testing.T) {
	t.Parallel()
	events, tables, control := memory.NewEvents(), memory.NewTables(), memory.NewControl()
	readModel := ReadModel(control, tables, "orders")
	want := func(step string, p Probe, status Status, detail string) {
		t.Helper()
		if r := check(t, p); r.Status != status || !strings.Contains(r.Parts[0].Detail, detail) {
			t.Errorf("%s: %+v", step, r)
		}
	}
	want("event store", EventStore(events), OK, "")
	want("event store down", EventStore(brokenStreams{}), Failing, "cannot be reached")
	want("not set up", readModel, OK, "waits for its first event")
	if err := projection.Ensure(t.Context(), control, tables, readmodel.Orders()); err != nil {
		t.Fatal(err)
	}
	want("set up", readModel, OK, "orders-v1 is active")
	if err := tables.Drop(t.Context(), projection.Table{Projection: "orders", Version: 1}); err != nil {
		t.Fatal(err)
	}
	want("table gone", readModel, Failing, "rebuild")
	if err := control.SetPointer(t.Context(), projection.Pointer{Projection: "menu"}); err != nil {
		t.Fatal(err)
	}
	want("no active version", ReadModel(control, tables, "menu"), Failing, "no active version")
}

func TestParkedStreamsAreCounted(t *testing.T) {
	t.Parallel()
	metrics, text := observetest.Metrics(t)
	tables, control := memory.NewTables(), memory.NewControl()
	c := &Checker{Probes: []Probe{Parked(control, tables, "orders")}, Now: time.Now}
	want := func(step, detail, measured string) {
		t.Helper()
		r := c.Check(observe.WithMetrics(t.Context(), metrics))
		text := text()
		if r.Status != OK || !strings.Contains(r.Parts[0].Detail, detail) || !strings.Contains(text, `gakushoku_projection_parked{gakushoku_projection="orders"} `+measured+"\n") {
			t.Errorf("%s: %+v %s", step, r, text)
		}
	}
	want("not set up", "no stream is parked", "0")
	if err := projection.Ensure(t.Context(), control, tables, readmodel.Orders()); err != nil {
		t.Fatal(err)
	}
	table := projection.Table{Projection: "orders", Version: 1}
	var changes []projection.Change
	for i := range 3 {
		r := projection.Record{Stream: fmt.Sprintf("order-%d", i), Version: 1, Writes: 1}
		if i > 0 {
			r.Parked = &projection.Parked{EventID: "e", EventVersion: 2, Reason: "poison", Attempts: 1}
		}
		changes = append(changes, projection.Change{Record: r})
	}
	if late, err := tables.Write(t.Context(), table, changes); err != nil || len(late) > 0 {
		t.Fatal(late, err)
	}
	want("two are", "orders: 2 streams", "2")
	if err := tables.Drop(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	want("the table is gone", "no stream is parked", "0")
}

func TestProbesWithBounds(t *testing.T) {
	t.Parallel()
	lag := func(l Lag, err error) Probe {
		return ProjectionLag(time.Second, func(context.Context) (Lag, error) { return l, err })
	}
	disk := func(free uint64, err error) Probe {
		return Disk(1<<30, func() (uint64, error) { return free, err })
	}
	for _, test := range []struct {
		probe  Probe
		status Status
		detail string
	}{
		{lag(Lag{}, nil), OK, "0s behind"},
		{lag(Lag{Behind: time.Second, Detail: "event 3 of 4 applied"}, nil), OK, "event 3 of 4 applied"},
		{lag(Lag{Behind: 2 * time.Second}, nil), Failing, "1s is the limit"},
		{lag(Lag{}, errors.New("secret")), Failing, "see the log"},
		{disk(1<<30, nil), OK, "1024 MiB are free"},
		{disk(1<<30-1, nil), Failing, "make room"},
		{disk(0, errors.New("secret")), Failing, "see the log"},
	} {
		if r := check(t, test.probe); r.Status != test.status || !strings.Contains(r.Parts[0].Detail, test.detail) {
			t.Errorf("%s: %+v, want %s %q", test.probe.Name, r, test.status, test.detail)
		}
	}
}
