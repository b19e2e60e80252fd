package spans_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/observe/spans"
)

var start = time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)

// span is one that began and took so many milliseconds.
func span(trace, id, parent string, began, took float64) spans.Span {
	return spans.Span{Timestamp: spans.Time(start.Add(time.Duration(began * float64(time.Millisecond)))), Name: id, DurationMs: took, TraceID: trace, SpanID: id, ParentID: parent}
}

// from reads spans of a slice.
func from(all []spans.Span) func(func(*spans.Span) error) error {
	return func(f func(*spans.Span) error) error {
		for i := range all {
			if err := f(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// tree is an operation in short: name took/own, and what is within it.
func tree(o *spans.Operation) string {
	text := fmt.Sprintf("%s %g/%g", o.Name, o.DurationMs, o.OwnMs)
	var within []string
	for i := range o.Children {
		within = append(within, tree(&o.Children[i]))
	}
	if len(within) > 0 {
		text += "(" + strings.Join(within, ", ") + ")"
	}
	return text
}

func TestTheSlowestComeFirstWithWhatIsWithinThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spans []spans.Span
		limit int
		want  []string
	}{
		"nothing": {nil, 3, nil},
		"a tree, and one that is quicker": {
			[]spans.Span{span("a", "load", "pay", 3, 4), span("a", "append", "pay", 8, 10), span("b", "ask", "", 0, 2), span("a", "pay", "request", 2, 20), span("a", "request", "", 0, 30)}, 3,
			[]string{"request 30/10(pay 20/6(load 4/4, append 10/10))", "ask 2/2"},
		},
		"only so many": {
			[]spans.Span{span("a", "x", "", 0, 1), span("b", "y", "", 0, 3), span("c", "z", "", 0, 2), span("a", "w", "x", 0, 1)}, 2,
			[]string{"y 3/3", "z 2/2"},
		},
		"children at the same time, within one another and after the end": {
			[]spans.Span{span("a", "x", "", 0, 10), span("a", "1", "x", 1, 5), span("a", "2", "x", 2, 2), span("a", "3", "x", 4, 3), span("a", "4", "x", 9, 100)}, 1,
			[]string{"x 10/3(1 5/5, 2 2/2, 3 3/3, 4 100/100)"},
		},
		"two operations of one trace, and lines that came twice": {
			[]spans.Span{span("a", "x", "", 0, 10), span("a", "1", "x", 1, 5), span("a", "y", "", 0, 9), span("a", "x", "", 0, 10), span("a", "1", "x", 1, 5)}, 5,
			[]string{"x 10/5(1 5/5)", "y 9/9"},
		},
		"a circle": {
			[]spans.Span{span("a", "x", "", 0, 10), span("a", "1", "2", 1, 5), span("a", "2", "1", 1, 5), span("a", "x", "x", 0, 10)}, 5,
			[]string{"x 10/0(x 10/10)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := spans.Slowest(test.limit, from(test.spans))
			if err != nil {
				t.Fatal(err)
			}
			var trees []string
			for i := range got {
				trees = append(trees, tree(&got[i]))
			}
			if diff := cmp.Diff(test.want, trees); diff != "" {
				t.Error(diff)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := spans.Slowest(1, func(func(*spans.Span) error) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestTheSlowestOfAnySpansInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []spans.Span
		for i := range rapid.IntRange(1, 60).Draw(t, "spans") {
			parent := ""
			if i > 0 && rapid.Bool().Draw(t, "within") {
				parent = fmt.Sprint(rapid.IntRange(0, i-1).Draw(t, "parent"))
			}
			all = append(all, span("t", fmt.Sprint(i), parent, float64(rapid.IntRange(0, 20).Draw(t, "began")), float64(rapid.IntRange(0, 20).Draw(t, "took"))))
		}
		limit := rapid.IntRange(1, 70).Draw(t, "limit")
		got, err := spans.Slowest(limit, from(all))
		if err != nil {
			t.Fatal(err)
		}
		roots := slices.DeleteFunc(slices.Clone(all), func(s spans.Span) bool { return s.ParentID != "" })
		slices.SortFunc(roots, func(a, b spans.Span) int { return int(b.DurationMs - a.DurationMs) })
		if len(got) != min(limit, len(roots)) {
			t.Fatalf("%d of %d operations with limit %d", len(got), len(roots), limit)
		}
		count := 0
		var check func(o *spans.Operation)
		check = func(o *spans.Operation) {
			count++
			if o.OwnMs < 0 || o.OwnMs > o.DurationMs {
				t.Fatalf("%s", tree(o))
			}
			for i := range o.Children {
				check(&o.Children[i])
			}
		}
		for i := range got {
			check(&got[i])
			if got[i].DurationMs != roots[i].DurationMs {
				t.Fatalf("place %d took %g, not %g", i, got[i].DurationMs, roots[i].DurationMs)
			}
		}
		if limit >= len(roots) && count != len(all) {
			t.Fatalf("%d of %d spans are told", count, len(all))
		}
		again, err := spans.Slowest(limit, from(rapid.Permutation(all).Draw(t, "order")))
		if diff := cmp.Diff(got, again, cmp.Comparer(func(a, b spans.Time) bool { return a.Time().Equal(b.Time()) })); err != nil || diff != "" {
			t.Fatalf("in another order: %v %s", err, diff)
		}
	})
}

func TestLogLinesAreSpansOfAKind(t *testing.T) {
	t.Parallel()
	const common = `"correlationId":"c1","trace_id":"t1","timestamp":"2026-01-24T00:00:01.000Z",`
	var all []spans.Span
	for _, line := range []string{
		`{` + common + `"message":"command:success","commandName":"PayOrder","stream":"order-o1","durationMs":4}`,
		`{` + common + `"message":"request:end","method":"POST","path":"/orders/o1/pay","status":200,"durationMs":10}`,
		`{` + common + `"message":"query:failed","queryName":"GetOrder","errorClass":"infra","error":"busy","durationMs":2}`,
		`{"timestamp":"2026-01-24T00:00:01.000Z","message":"archive:commit","durationMs":7}`,
	} {
		s, ok := spans.FromLogLine([]byte(line))
		if !ok {
			t.Fatalf("no span: %s", line)
		}
		all = append(all, s)
	}
	for _, line := range []string{`{"message":"request:start"}`, `{"message":"health:failing","durationMs":1}`, `panic`} {
		if s, ok := spans.FromLogLine([]byte(line)); ok {
			t.Errorf("%s is %+v", line, s)
		}
	}
	got, err := spans.Slowest(9, from(all))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if a, b := tree(&got[0]), tree(&got[1]); a != "POST /orders/o1/pay 10/6(PayOrder 4/4, GetOrder 2/2)" || b != "archive:commit 7/7" {
		t.Errorf("%s; %s", a, b)
	}
	if query := got[0].Children[1]; query.Error != "busy" || query.Attributes["error.type"] != "infra" || got[0].Attributes[spans.AttrCorrelation] != "c1" {
		t.Errorf("%+v", got[0])
	}
	if at := got[0].Timestamp.Time(); !at.Equal(start.Add(990 * time.Millisecond)) {
		t.Errorf("it began at %s", at)
	}
}

func TestTimesSortAsText(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(span("t", "s", "", 1.5, 2))
	if err != nil || !strings.HasPrefix(string(raw), `{"timestamp":"2026-01-24T00:00:00.001500Z","name":"s","durationMs":2,`) {
		t.Errorf("%s %v", raw, err)
	}
	var back spans.Span
	if err := json.Unmarshal(raw, &back); err != nil || !back.Timestamp.Time().Equal(start.Add(1500*time.Microsecond)) {
		t.Errorf("%+v %v", back, err)
	}
}
