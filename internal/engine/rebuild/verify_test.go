package rebuild_test

import (
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

// An event that will set its stream aside, and that live delivery has not brought in yet, is
// late like any other: no row differs.
func TestAPoisonEventOnItsWayIsNoDifference(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	run := w.must(w.engine.Prepare(t.Context(), "r1", rebuild.Request{Projection: orders, AllowParked: 1}))
	run = w.must(w.engine.Plan(t.Context(), run))
	for _, item := range w.items(run) {
		if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Join(t.Context(), w.must(w.engine.Collect(t.Context(), run))))
	run = w.must(w.engine.CatchUp(t.Context(), run))
	w.Place("a000")
	run = w.must(w.engine.StartVerify(t.Context(), run))
	for _, part := range run.Verify.Parts {
		if _, err := w.engine.VerifyPart(t.Context(), run, part); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Verify(t.Context(), run))
	if run.Verify.Healed != 1 || run.Verify.Different != 0 || !run.Verify.Sound {
		t.Errorf("%+v", run.Verify)
	}
	w.MustProject()
	w.wantFolded(version(2))
}

// After a rollback before the verification it is the version that readers see which the new one is
// compared with.
func TestTheNewVersionIsComparedWithTheOneThatReadersSee(t *testing.T) {
	t.Parallel()
	w := rebuilt(t, 4)
	run := w.planned("r2")
	if run.FromVersion != 2 {
		t.Fatalf("from %d", run.FromVersion)
	}
	if _, err := w.engine.Rollback(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
	if run = w.must(w.engine.StartVerify(t.Context(), run)); run.FromVersion != 1 {
		t.Errorf("to be compared with version %d", run.FromVersion)
	}
}

// A table that is missing, or damaged, is made anew like any other: that there is nothing to
// compare with does not stop it, and is said.
func TestAMissingTableIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(*world) rebuild.Tables{
		"in order":   func(w *world) rebuild.Tables { return w.Tables },
		"looking up": func(w *world) rebuild.Tables { return onlyTables{w.Tables} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.engine.Tables = store(w)
			w.lives("a", 20)
			w.MustProject()
			if err := w.Tables.Drop(t.Context(), v1); err != nil {
				t.Fatal(err)
			}
			run := w.mustRun("r1", request())
			if run.Verify.Old.Unreadable == "" || run.Verify.Old.OnlyNew != 0 || !run.Verify.Sound {
				t.Errorf("%+v", run.Verify)
			}
			w.wantStates(map[int]projection.State{2: projection.Active})
			w.lives("b", 5)
			w.MustProject()
			w.wantFolded(version(2))
		})
	}
}

// onlyTables hides what a store has besides.
type onlyTables struct{ rebuild.Tables }
