package loans_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/rehearse/loans"
)

// library is the engine over loans, and nothing of the canteen.
type library struct {
	*inmemory.System
	models verify.ReadModels
	engine rebuild.Engine
}

func newLibrary(t *testing.T) *library {
	all := model.Projections{loans.Projection()}
	l := &library{System: inmemory.NewOf(t, all)}
	l.models = verify.ReadModels{
		Verifier:    verify.Verifier{Tables: l.Tables, Streams: l.Events, Now: l.Now, Sleep: func(context.Context, time.Duration) error { return nil }},
		Projections: all, Pointers: l.Control,
	}
	l.engine = rebuild.Engine{
		Projections: all, Pointers: l.Control, Tables: l.Tables, Streams: l.Events, Log: l.Log(), Blobs: l.Blobs,
		Projector: l.Projector(), Runs: noRuns{}, Archive: l.Archive, Now: l.Now,
		Sleep:    func(context.Context, time.Duration) error { return nil },
		Settings: rebuild.Settings{PartEvents: 100, VerifyParts: 1, Workers: 2, PointerTTL: 1, ProjectorTimeout: 1, LagBound: time.Second},
	}
	return l
}

type noRuns struct{}

func (noRuns) Running(context.Context, string) (bool, error) { return false, nil }

func TestTheEngineServesAnotherDomain(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for i := range 20 {
		id := fmt.Sprintf("l%02d", i)
		l.AppendTo("loan-"+id, loans.Taken{LoanID: id, Book: "坊っちゃん"})
		if i%2 == 0 {
			l.AppendTo("loan-"+id, loans.Returned{LoanID: id})
		}
	}
	l.MustProject()
	v1 := projection.Table{Projection: "loans", Version: 1}
	want := l.Totals(v1)
	if diff := cmp.Diff(map[string]map[string]int64{"坊っちゃん": {"taken": 20, "back": 10}}, want); diff != "" {
		t.Fatal(diff)
	}
	l.Edit(v1, "loan-l04", inmemory.Replace(`"back":true`, `"back":false`))
	broken, err := l.models.Verify(t.Context(), "loans", 1, verify.Options{})
	if err != nil || broken.Sound || broken.Found() != 1 {
		t.Fatalf("a wrong row: sound %t, %d found, %v", broken.Sound, broken.Found(), err)
	}
	run, err := (&rebuild.Driver{Engine: &l.engine, Workers: 2}).Run(t.Context(), "r1", rebuild.Request{Projection: "loans"})
	if err != nil {
		t.Fatal(run, err)
	}
	v2 := projection.Table{Projection: "loans", Version: 2}
	if diff := cmp.Diff(want, l.Totals(v2)); diff != "" || len(l.Rows(v2)) != 20 {
		t.Errorf("%d rows were rebuilt:\n%s", len(l.Rows(v2)), diff)
	}
	sound, err := l.models.Verify(t.Context(), "loans", 0, verify.Options{})
	if err != nil || !sound.Sound || sound.Version.Number != 2 {
		t.Errorf("after the rebuild: %+v, %v", sound, err)
	}
	explained, err := l.models.Explain(t.Context(), "loans", "l04")
	if err != nil || len(explained.Events) != 2 || len(explained.Versions) != 2 || len(explained.Versions[1].Diff) != 0 {
		t.Errorf("explained as %+v, %v", explained, err)
	}
}

func TestAnotherDomainsLogIsReadBack(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for _, e := range l.AppendTo("loan-l1", loans.Taken{LoanID: "l1", Book: "こころ"}, loans.Returned{LoanID: "l1"}) {
		var back event.Event
		if err := event.DecodeStrict(event.AppendJSON(nil, &e), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Error(diff)
		}
		if err := event.Check(&back); err != nil {
			t.Error(err)
		}
	}
}
