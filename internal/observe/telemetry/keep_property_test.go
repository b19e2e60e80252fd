package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"
)

// Whatever begins and ends in whatever order, a trace goes on whole or not at all, and once.
func TestTracesAreKeptWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := keep(sdktrace.NeverSample())
		type open struct {
			ctx   context.Context
			span  trace.Span
			trace int
		}
		now, traces := 0, 0
		var stack [][]open // of each trace that is under way
		sizes, bad := map[int]int{}, map[int]bool{}
		began := map[int]int{}
		finish := func(i int) {
			all := stack[i]
			last := all[len(all)-1]
			if len(all) == 1 {
				if rapid.Bool().Draw(t, "fails") {
					failed(last.span, errors.New("x"))
					bad[last.trace] = true
				}
				bad[last.trace] = bad[last.trace] || now-began[last.trace] > 200
				stack = slices.Delete(stack, i, i+1)
			} else {
				stack[i] = all[:len(all)-1]
			}
			end(last.span, now)
		}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now += rapid.IntRange(0, 60).Draw(t, "ms")
			switch action := rapid.IntRange(0, 3).Draw(t, "action"); {
			case action == 0 || len(stack) == 0:
				ctx, span := k.start(context.Background(), fmt.Sprint(traces), now)
				began[traces], sizes[traces] = now, 1
				stack = append(stack, []open{{ctx, span, traces}})
				traces++
			case action == 1:
				i := rapid.IntRange(0, len(stack)-1).Draw(t, "in")
				parent := stack[i][len(stack[i])-1]
				ctx, span := k.start(parent.ctx, fmt.Sprint(parent.trace), now)
				sizes[parent.trace]++
				stack[i] = append(stack[i], open{ctx, span, parent.trace})
			default:
				finish(rapid.IntRange(0, len(stack)-1).Draw(t, "ends"))
			}
		}
		for len(stack) > 0 {
			finish(0)
		}
		got, want := map[string]int{}, map[string]int{}
		for _, s := range k.recorder.Ended() {
			got[s.Name()]++
		}
		for n := range traces {
			if bad[n] {
				want[fmt.Sprint(n)] = sizes[n]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
