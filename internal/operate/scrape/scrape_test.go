package scrape_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"gakushoku/internal/observe/observetest"
	"gakushoku/internal/operate/scrape"
)

func parse(t *testing.T, text string) model.Vector {
	t.Helper()
	samples, err := scrape.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func TestParseReadsWhatAServerShows(t *testing.T) {
	t.Parallel()
	metrics, text := observetest.Metrics(t)
	odd := "say \"注文\"\n\\ {a=\"b\"} n"
	metrics.Command(t.Context(), odd, 0, 1, errors.New("broken"))
	want := model.Metric{"__name__": "gakushoku_command_duration_seconds_count", "gakushoku_command": model.LabelValue(odd), "gakushoku_result": "NG", "error_type": "bug"}
	var found []model.Metric
	for _, s := range scrape.Named(parse(t, text()), "gakushoku_command_duration_seconds_count") {
		found = append(found, s.Metric)
	}
	if diff := cmp.Diff([]model.Metric{want}, found); diff != "" {
		t.Error(diff)
	}
}

func TestParseOfNoMetricsIsNotNil(t *testing.T) {
	t.Parallel()
	if samples := parse(t, ""); samples == nil {
		t.Error("a server without metrics looks like one that does not respond")
	}
}

func TestParseRejectsInvalidText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a\n", "a x\n", "a{b=\"c} 1\n", "a{b=\"c\" 1\n", "a{b} 1\n", "<html>\n"} {
		if samples, err := scrape.Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %v", text, samples)
		}
	}
}

func TestIncreasesBetweenTwoReadings(t *testing.T) {
	t.Parallel()
	before := parse(t, "a_total{x=\"1\"} 5\na_total{x=\"2\"} 7\nb_total 1\n")
	after := parse(t, "a_total{x=\"1\"} 8\na_total{x=\"2\"} 2\na_total{x=\"3\"} 4\nb_total 9\n")
	got := map[model.LabelValue]float64{}
	for _, s := range scrape.Increases(before, after, "a_total") {
		got[s.Metric["x"]] = float64(s.Value)
	}
	if diff := cmp.Diff(map[model.LabelValue]float64{"1": 3, "2": 2, "3": 4}, got); diff != "" {
		t.Error(diff)
	}
	if first := slices.IndexFunc(after, func(s *model.Sample) bool { return s.Metric["x"] == "1" }); after[first].Value != 8 {
		t.Error("Increases changed the reading")
	}
}

func TestQuantilesOfHistograms(t *testing.T) {
	t.Parallel()
	histogram := func(series string, one, two, all int) string {
		return fmt.Sprintf("h_bucket{s=%q,le=\"1\"} %d\nh_bucket{s=%q,le=\"2\"} %d\nh_bucket{s=%q,le=\"+Inf\"} %d\n", series, one, series, two, series, all)
	}
	for _, test := range []struct {
		q     float64
		text  string
		want  float64
		known bool
	}{
		{0.5, "", 0, false}, {0.5, histogram("a", 0, 0, 0), 0, false},
		{0.5, histogram("a", 4, 4, 4), 0.5, true}, {0.5, histogram("a", 0, 4, 4), 1.5, true}, {0.75, histogram("a", 2, 4, 4), 1.5, true},
		{0.5, histogram("a", 1, 4, 4) + histogram("b", 1, 4, 4), 1 + 1.0/3, true},
		{0.95, histogram("a", 0, 1, 4), math.Inf(1), true},
	} {
		got, known := scrape.Quantile(test.q, parse(t, test.text))
		if known != test.known || math.Abs(got-test.want) > 1e-9 && got != test.want {
			t.Errorf("%v of\n%s is %v (%v), want %v", test.q, test.text, got, known, test.want)
		}
	}
}
