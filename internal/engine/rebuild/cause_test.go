package rebuild

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/verify"
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

func TestARunShowsAFewChangedRowsInAFewWords(t *testing.T) {
	t.Parallel()
	var o OldAgainstNew
	for range 2 {
		o.add(&verify.Comparison{Changed: 4, Examples: make([]verify.Changed, 4)})
	}
	if o.Changed != 8 || len(o.Sample) != maxSample {
		t.Errorf("%d rows changed, of which %d are shown", o.Changed, len(o.Sample))
	}
	for stream, want := range map[string]string{
		strings.Repeat("あ", 198): strings.Repeat("あ", 198) + ": ",
		strings.Repeat("あ", 199): strings.Repeat("あ", 199) + ":...",
	} {
		if got := sampleOf(&verify.Changed{Stream: stream}); got != want {
			t.Errorf("%d characters are shown as %q", len([]rune(stream)), got)
		}
	}
	row := verify.Changed{Stream: "order-1", Fields: []verify.FieldChange{{Name: "status", Old: "PAID"}, {Name: "total", Old: "1", New: "2"}}}
	if got, want := sampleOf(&row), "order-1: status PAID is now (nothing), total 1 is now 2"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}
