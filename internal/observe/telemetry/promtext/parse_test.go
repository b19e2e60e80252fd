package promtext_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"gakushoku/internal/observe/telemetry/promtext"
)

func TestParseReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	_, reader, meter := metrics(t)
	counter, err := meter.Int64Counter("odd.name")
	if err != nil {
		t.Fatal(err)
	}
	odd := "say \"注文\"\n\\ {a=\"b\"} n"
	counter.Add(t.Context(), 3, metric.WithAttributes(attribute.String("a.b", odd), attribute.String("c", "")))
	text, err := promtext.Read(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := promtext.Parse(text)
	want := []promtext.Sample{{
		ID: strings.TrimSuffix(strings.Split(text, "\n")[2], " 3"), Name: "odd_name_total",
		Labels: map[string]string{"a_b": odd, "c": ""}, Value: 3,
	}}
	if diff := cmp.Diff(want, samples); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestParseReadsEveryLineOfEveryMeter(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	samples, err := promtext.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		if line[0] != '#' {
			ids = append(ids, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	var got []string
	for _, s := range samples {
		got = append(got, s.ID)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesWhatIsNoMetric(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a", " 1", "a x", `a{b="c} 1`, `a{b="c" 1`, `a{b} 1`, `{a="b"} 1`} {
		if samples, err := promtext.Parse(text); err == nil {
			t.Errorf("%q: %v", text, samples)
		}
	}
}
