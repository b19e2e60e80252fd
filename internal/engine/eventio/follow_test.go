package eventio

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// steps is a state machine: placed first and once, paid once behind it.
func steps(status, eventType string) (string, error) {
	switch {
	case eventType == "OrderPlaced" && status == "", eventType == "OrderPaid" && status == "OrderPlaced":
		return eventType, nil
	}
	return status, fmt.Errorf("%s cannot follow %q", eventType, status)
}

func TestEventsThatCannotFollowAreBadLines(t *testing.T) {
	t.Parallel()
	placed, paid := versioned("a1", 1, "OrderPlaced"), versioned("a2", 2, "OrderPaid")
	again := versioned("a3", 3, "OrderPaid")
	for name, tc := range map[string]struct {
		before, file []string // imported without rules, and with them
		bad          []string // reasons, as "line: text"
		imported     int      // with SkipBad
	}{
		"what follows":                      {nil, []string{placed, paid}, nil, 2},
		"what follows, in another order":    {nil, []string{paid, placed}, nil, 2},
		"paid without placed":               {nil, []string{strings.Replace(paid, `"version":2`, `"version":1`, 1)}, []string{`1: version 1 of order-o1: it cannot be folded, since OrderPaid cannot follow ""`}, 0},
		"placed twice":                      {nil, []string{placed, versioned("a2", 2, "OrderPlaced"), again}, []string{"2: version 2", "3: version 3 of order-o1 follows an event that cannot be imported"}, 1},
		"paid twice, in another order":      {nil, []string{again, paid, placed}, []string{"1: version 3 of order-o1: it cannot be folded"}, 2},
		"behind what is stored":             {[]string{placed}, []string{paid}, nil, 1},
		"not behind what is stored":         {[]string{placed, paid}, []string{again}, []string{"1: version 3"}, 0},
		"stored before there were rules":    {[]string{placed, paid, again}, []string{placed, paid, again}, nil, 0},
		"behind what cannot be folded":      {[]string{placed, paid, again}, []string{versioned("a4", 4, "OrderPaid")}, []string{`1: version 4 of order-o1: it cannot be folded, since OrderPaid cannot follow "OrderPaid" in the event store`}, 0},
		"another order of the file is good": {nil, []string{versioned("a1", 1, "OrderReady"), placed2}, []string{"1: version 1"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			if _, err := Import(t.Context(), file(tc.before...), store, Options{}); err != nil {
				t.Fatal(err)
			}
			report, err := Import(t.Context(), file(tc.file...), store, Options{Follow: steps})
			if errors.Is(err, ErrBadLines) != (len(tc.bad) > 0) || len(report.Bad) != len(tc.bad) {
				t.Fatalf("%v: %+v", err, report)
			}
			for i, want := range tc.bad {
				if got := fmt.Sprintf("%d: %s", report.Bad[i].Line, report.Bad[i].Reason); !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
			if len(tc.bad) == 0 {
				equal(t, tc.imported, report.Imported)
				return
			}
			if report, err = Import(t.Context(), file(tc.file...), store, Options{Follow: steps, SkipBad: true}); err != nil || report.Imported != tc.imported {
				t.Errorf("without the bad lines: %v: %+v", err, report)
			}
			report, err = Import(t.Context(), file(tc.file...), store, Options{Follow: steps, Unfoldable: true})
			if err != nil || report.BadLines != 0 || report.Unfoldable == 0 || len(stored(t, store)) != len(tc.before)+len(tc.file) {
				t.Errorf("taken all the same: %v: %+v", err, report)
			}
		})
	}
}
