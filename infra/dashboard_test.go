package infra_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
	"gakushoku/internal/operate/alarm"
)

type widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title   string
		Alarms  []string
		Metrics [][]any

		Annotations struct {
			Horizontal []struct {
				Value float64
				Label string
			}
		}
	}
}

func widgets(t *testing.T) []widget {
	t.Helper()
	text, _ := resources(t, observability)["Dashboard"].Properties["DashboardBody"].(string)
	var body struct{ Widgets []widget }
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	return body.Widgets
}

func TestTheDashboardShowsEveryAlarm(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, c := range alarm.All() {
		if c.OnAWS() && c.Event.Source == "" && !c.Part {
			want = append(want, "${"+idOf(c.Name)+".Arn}")
		}
	}
	for _, w := range widgets(t) {
		got = append(got, w.Properties.Alarms...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheDashboardShowsTheTargetOfRequests(t *testing.T) {
	t.Parallel()
	var got []float64
	for _, w := range widgets(t) {
		if slices.ContainsFunc(w.Properties.Metrics, func(m []any) bool { return m[1] == "Latency" }) {
			for _, line := range w.Properties.Annotations.Horizontal {
				got = append(got, line.Value)
			}
		}
	}
	if want := float64(observe.Slow.Milliseconds()); !slices.Equal(got, []float64{want}) {
		t.Errorf("the graph of how long requests take has lines at %v ms, want one at %v", got, want)
	}
}

// A graph of a set of dimensions under which nothing is published stays empty, and looks as if
// all were well.
func TestTheDashboardShowsWhatIsPublished(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, w := range widgets(t) {
		for _, m := range w.Properties.Metrics {
			var texts []string
			for _, part := range m {
				if s, ok := part.(string); ok {
					texts = append(texts, s)
				}
			}
			if len(texts) < 4 || len(texts)%2 != 0 || len(m) != len(texts)+1 {
				t.Errorf("%s: %v is not namespace, name, dimensions with values, and options", w.Properties.Title, m)
				continue
			}
			if texts[0] != alarm.Namespace {
				continue
			}
			var names []string
			for i := 2; i < len(texts); i += 2 {
				names = append(names, texts[i])
			}
			shown[texts[1]] = true
			if sets := emf.Dimensions[texts[1]]; !slices.ContainsFunc(sets, func(set []string) bool { return slices.Equal(set, names) }) {
				t.Errorf("%s: %s is published under %v, not under %v", w.Properties.Title, texts[1], sets, names)
			}
		}
	}
	for name := range emf.Dimensions {
		// Whether a rebuild is right is an alarm; requests and machines are shown by AWS's own metrics.
		if !shown[name] && strings.HasPrefix(name, "gakushoku.") && name != observe.MetricVerified {
			t.Errorf("no graph shows %s", name)
		}
	}
}

func TestNoWidgetHidesAnother(t *testing.T) {
	t.Parallel()
	all := widgets(t)
	for i, a := range all {
		if a.X+a.Width > 24 {
			t.Errorf("%s is off the page", a.Properties.Title)
		}
		for _, b := range all[:i] {
			if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
				t.Errorf("%s and %s overlap", a.Properties.Title, b.Properties.Title)
			}
		}
	}
}
