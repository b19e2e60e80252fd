package verify

import (
	"fmt"
	"slices"
	"testing"
)

func TestProblemsThatAreFixedMakeRoomForOthers(t *testing.T) {
	t.Parallel()
	all, other := newFindings("orders-v1", 0), newFindings("orders-v1", 0)
	for i := range maxProblems + 5 {
		all.add(Problem{Class: Stale, Stream: fmt.Sprintf("order-%03d", i), Fixed: true})
		other.add(Problem{Class: Stale, Stream: fmt.Sprintf("order-%03d", i), Fixed: true})
	}
	all.add(Problem{Class: Different, Stream: "order-a"})
	other.add(Problem{Class: Different, Stream: "order-b"})
	all.merge(other)
	for _, stream := range []string{"order-a", "order-b"} {
		if !slices.ContainsFunc(all.Problems, func(p Problem) bool { return p.Stream == stream }) {
			t.Errorf("%s is not told of", stream)
		}
	}
	if len(all.Problems) != maxProblems || all.Counts[Stale] != 2*(maxProblems+5) || all.Counts[Different] != 2 {
		t.Errorf("%d problems, counts %v", len(all.Problems), all.Counts)
	}
}
