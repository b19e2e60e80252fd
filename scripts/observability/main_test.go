package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

func TestTheFileIsWhatTheGeneratorWrites(t *testing.T) {
	t.Parallel()
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../infra/observability.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Error("infra/observability.yaml is out of date: run `make generate`\n" + diff)
	}
}

func TestGraphsOfUnpublishedDimensionsAreRejected(t *testing.T) {
	t.Parallel()
	for name, dimensions := range map[string][]string{"gakushoku.nothing": nil, observe.MetricLag: {emf.Command, "PayOrder"}} {
		if l, err := ours(name, "Sum", "", dimensions...); err == nil {
			t.Errorf("%s under %v: %v", name, dimensions, l)
		}
	}
}

func TestEachPublishedMetricHasAGraph(t *testing.T) {
	t.Parallel()
	for name := range emf.Dimensions {
		// Whether a rebuild is right is an alarm; AWS's own metrics show requests and machines.
		if strings.HasPrefix(name, "gakushoku.") && name != observe.MetricVerified && !strings.Contains(text, `(ours "`+name+`" `) {
			t.Errorf("no graph shows %s", name)
		}
	}
}

func TestFoldedTextKeepsItsWords(t *testing.T) {
	t.Parallel()
	long := strings.TrimSpace(strings.Repeat("word and longer-word ", 30))
	folded := fold(long)
	if got := strings.Join(strings.Fields(folded), " "); got != long {
		t.Errorf("%q became %q", long, got)
	}
	for line := range strings.SplitSeq(folded, "\n") {
		if len(strings.TrimSpace(line)) > width {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
}
