package projection_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/rehearse/loans"
)

// TestARowThatIsDueIsTold applies a loan that is due in two weeks, in time, too late, again, and by healing.
func TestARowThatIsDueIsTold(t *testing.T) {
	t.Parallel()
	l := inmemory.NewOf(t, model.Projections{loans.Chasing().Projection})
	var told []string
	p := l.Projector()
	p.Due = func(_ context.Context, process string) { told = append(told, process) }
	apply := func(stream string, want int) {
		t.Helper()
		told = nil
		history, err := l.Events.Load(t.Context(), stream, 0)
		l.Must(err)
		l.Must(p.Apply(t.Context(), slices.Clone(history[len(history)-1:])).Err())
		if len(told) != want || want > 0 && told[0] != "chasing" {
			t.Errorf("%s: told of %v, want %d", stream, told, want)
		}
	}
	l.AppendTo("loan-l1", loans.Taken{LoanID: "l1", Book: "こころ"})
	l.AppendTo("loan-l2", loans.Taken{LoanID: "l2", Book: "門"})
	apply("loan-l1", 0)
	l.Wait(14 * 24 * time.Hour)
	apply("loan-l1", 0) // a repeat writes nothing
	apply("loan-l2", 1)
	l.AppendTo("loan-l3", loans.Taken{LoanID: "l3", Book: "草枕"}, loans.Chased{LoanID: "l3", Step: loans.StepRemind})
	l.Wait(28 * 24 * time.Hour)
	apply("loan-l3", 1) // of which it gets the second event first, and heals it
}
