package reproject

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/verify"
)

func TestTheCauseNamesOnlyRowsThatStopTheRun(t *testing.T) {
	t.Parallel()
	problems := []verify.Problem{
		{Stream: "order-late", Class: verify.Stale, Fixed: true},
		{Stream: "order-new", Class: verify.Missing, Fixed: true},
		{Stream: "order-gone", Class: verify.Missing},
		{Stream: "order-wrong", Class: verify.Different, Fixed: true},
		{Stream: "order-hole", Class: verify.Broken},
	}
	want := []string{"order-gone is missing", "order-wrong was replayed wrongly (verification has put it right, but others may be wrong)", "order-hole is broken"}
	if diff := cmp.Diff(want, wrongRows(problems)); diff != "" {
		t.Error(diff)
	}
	many := make([]verify.Problem, 2*maxSample)
	if named := wrongRows(many); len(named) != maxSample {
		t.Errorf("%d rows are named", len(named))
	}
}
