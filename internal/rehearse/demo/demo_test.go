package demo_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"gakushoku/internal/rehearse/demo"
)

func TestTheStoryEndsWell(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo.Run(t.Context(), &out, false); err != nil {
		t.Fatalf("Run: %v\n%s", err, out.String())
	}
	story := out.String()
	for _, want := range []string{
		`says ORDERED`, `x-correlation-id \S+`, `command +PayOrder +OK after`, `event +OrderPaid +order-lunch-40 version 3`, `orders-v1 +applied, its row is at version 4`,
		`40 of [\d,]+ rows are different`, `order-lunch-40 +different +status +is "ORDERED" +should be "PAID"`, `revenue\.CARD +is`,
		`prepare +\S+ m?s +orders-v2`, `replay .* 16 parts|plan .* 16 parts`, `catch up .* events came meanwhile`, `verify .* 0 differ`,
		`v1 against v2: 40 corrected`, `switch .* readers see v2`, `guests sent \d+ requests: 0 failed, 0 stale`,
		`says ORDERED: readers see v1`, `only the 40 old ones are wrong`, `says PAID: readers see v2`, `v1 is dropped, v2 is left`,
		`[\d,]+ of [\d,]+ orders, products and stocks, the same in the log and in the event store`, `[\d,]+ requests \([\d,]+ commands, [\d,]+ queries\): 0 failed, 0 stale answers, p95`,
	} {
		if !regexp.MustCompile(want).MatchString(story) {
			t.Errorf("the story does not tell %q:\n%s", want, story)
		}
	}
	if strings.ContainsAny(story, "\x1b\r") || strings.Contains(story, `{"level"`) {
		t.Errorf("colours, moving lines or log lines in plain output:\n%s", story)
	}
}
