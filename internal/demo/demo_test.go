package demo_test

import (
	"bytes"
	"strings"
	"testing"

	"gakushoku/internal/demo"
)

func TestTheStoryEndsWell(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo.Run(t.Context(), &out, false); err != nil {
		t.Fatalf("Run: %v\n%s", err, out.String())
	}
	for _, want := range []string{"says ORDERED", "command:success", "says PAID"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story does not tell %q:\n%s", want, out.String())
		}
	}
}
