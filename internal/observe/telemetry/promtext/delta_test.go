package promtext_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/observe/telemetry/promtext"
)

func parsed(t *testing.T, text string) []promtext.Sample {
	t.Helper()
	samples, err := promtext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func TestIncreasesBetweenTwoReadings(t *testing.T) {
	t.Parallel()
	before := parsed(t, "a_total{x=\"1\"} 5\na_total{x=\"2\"} 7\nb_total 1\n")
	after := parsed(t, "a_total{x=\"1\"} 8\na_total{x=\"2\"} 2\na_total{x=\"3\"} 4\nb_total 9\n")
	got := map[string]float64{}
	for _, s := range promtext.Increases(before, after, "a_total") {
		got[s.Labels["x"]] = s.Value
	}
	if diff := cmp.Diff(map[string]float64{"1": 3, "2": 2, "3": 4}, got); diff != "" {
		t.Error(diff)
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
		got, known := promtext.Quantile(test.q, parsed(t, test.text))
		if known != test.known || math.Abs(got-test.want) > 1e-9 && got != test.want {
			t.Errorf("%v of\n%s is %v (%v), want %v", test.q, test.text, got, known, test.want)
		}
	}
}
