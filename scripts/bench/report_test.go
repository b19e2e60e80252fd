package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestMedianTakesTheMiddleOfEachFigure(t *testing.T) {
	t.Parallel()
	got := median([]measurement{{wall: 3, cpu: 1, peak: 10}, {wall: 1, cpu: 3, peak: 30}, {wall: 2, cpu: 2, peak: 20}})
	if want := (measurement{wall: 2, cpu: 2, peak: 20}); got != want {
		t.Errorf("median = %+v, want %+v", got, want)
	}
}

func TestTheTableComparesWhatLogsAsMuch(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printRace(&out, []contender{{name: "ours", ours: true}, {name: "ours, logging", ours: true, logs: true}, {name: "node"}, {name: "node, logging", logs: true}},
		[][]measurement{{{wall: 1e9, peak: 1e6}}, {{wall: 2e9, peak: 1e6}}, {{wall: 6e9, peak: 4e6}}, {{wall: 20e9, peak: 4e6}}}, 1000)
	for _, want := range []string{"| node                             |        167 |      0.00 |         4 |      6.0 x |    0.25 x |", "     10.0 x |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRacesPutOursBesideEachThatLogsAsMuch(t *testing.T) {
	t.Parallel()
	r := &report{}
	reportRace(r, []contender{{name: "ours", ours: true}, {name: "ours, logging", ours: true, logs: true}, {name: "node", rate: atLeast(6), memory: atMost(0.5)}, {name: "pino", logs: true, rate: atLeast(10)}},
		[][]measurement{{{wall: 1e9, cpu: 2e9, peak: 3e6}}, {{wall: 2e9, cpu: 3e9, peak: 3e6}}, {{wall: 6e9, cpu: 8e9, peak: 4e6}}, {{wall: 19e9, cpu: 30e9, peak: 4e6}}}, memoryAimed)
	var got []string
	for _, f := range r.figures {
		got = append(got, f.what+" "+f.ratio()+" "+f.met())
	}
	want := []string{
		"5000000 events 6.00 x yes", "5000000 events: CPU time 0.25 x ", "5000000 events: peak memory 0.75 x NO",
		"5000000 events, a line an event 9.50 x NO", "5000000 events, a line an event: CPU time 0.10 x ", "5000000 events, a line an event: peak memory 0.75 x ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestASummaryShowsBaselineRatioAndAim(t *testing.T) {
	t.Parallel()
	var out, complaints strings.Builder
	r := &report{out: &out, complain: &complaints}
	err := r.measure(t.Context(), suite{name: "speed", about: "how fast", quick: []string{}, run: func(_ context.Context, _ []string, r *report) error {
		r.add(figure{what: "fast", ours: 2_500_000, unit: "events/s", baseline: "slow", theirs: 250_000, aim: atLeast(6)})
		r.add(figure{what: "late", ours: 250, unit: "ms", baseline: "early", theirs: 1, aim: below(200)})
		r.add(figure{what: "small", ours: 0.5, unit: "ms", baseline: "large", theirs: 400})
		r.add(figure{what: "alone", ours: 3, unit: "MB"})
		r.leaveOut("a baseline", errors.New("node is missing: install Node.js"))
		return nil
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.summary()
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"== speed: how fast",
		"| speed | fast | 2.50 M events/s | slow: 250000 events/s | 10.00 x | at least 6 x | yes |",
		"| speed | late | 250 ms | early: 1.00 ms | 250.00 x | below 200 | NO |",
		"| speed | small | 0.50 ms | large: 400 ms | 0.0013 x | | |",
		"| speed | alone | 3.00 MB | | | | |",
		"Left out: - a baseline: node is missing: install Node.js",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if !strings.Contains(complaints.String(), "left out: a baseline") {
		t.Errorf("not told at once: %q", complaints.String())
	}
}

func TestTheMedianOfLoadsTakesEachFigureByItself(t *testing.T) {
	t.Parallel()
	got := medianLoad([]load{{1, 30, 200}, {3, 10, 300}, {2, 20, 100}})
	if want := (load{2, 20, 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
