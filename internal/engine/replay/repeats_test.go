package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/engine/replay"
)

// filler is enough events to fill several chunks.
func filler(from, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(fmt.Sprint("f", from+i), "OrderPlaced", fmt.Sprint("f", from+i), `,"total":1`) + "\n")
	}
	return b.String()
}

func TestAStrictReplayTakesRepeatsAsAnImportDoes(t *testing.T) {
	t.Parallel()
	placed := versioned(1, "e1", "OrderPlaced", "o1", `,"total":780`)
	paid := versioned(2, "e2", "OrderPaid", "o1", "")
	for name, tc := range map[string]struct {
		lines      []string
		bad        map[int64]string // by line
		duplicates int64
	}{
		"the same event again":                   {[]string{placed, paid, placed, paid}, nil, 2},
		"the same event again, before its place": {[]string{paid, paid, placed}, nil, 1},
		"one eventId in two streams":             {[]string{placed, versioned(1, "e1", "OrderPlaced", "o2", `,"total":780`)}, map[int64]string{2: `eventId "e1" is on line 1 too, as another event`}, 0},
		"one eventId in two versions":            {[]string{placed, strings.Replace(placed, `"version":1`, `"version":2`, 1)}, map[int64]string{2: `eventId "e1" came before, as another version of order-o1`}, 0},
		"one eventId for two payloads":           {[]string{placed, versioned(1, "e1", "OrderPlaced", "o1", `,"total":1`)}, map[int64]string{2: "another event"}, 0},
		"one version for two events":             {[]string{placed, versioned(1, "e9", "OrderPlaced", "o1", `,"total":1`), paid}, map[int64]string{2: "version 1 of order-o1 is another event before this line"}, 0},
		"one version for two, before its place":  {[]string{paid, versioned(2, "e9", "OrderReady", "o1", ""), placed}, map[int64]string{2: "version 2 of order-o1 is another event"}, 0},
		"the same line without a version":        {[]string{line("e1", "OrderPlaced", "o1", `,"total":1`), line("e1", "OrderPlaced", "o1", `,"total":1`)}, map[int64]string{2: "another event"}, 0},
		"a key twice":                            {[]string{placed, line("e3", "OrderPlaced", "o3", `,"total":1,"total":2`)}, map[int64]string{2: "comes twice"}, 0},
	} {
		for _, between := range []int{0, 40} {
			t.Run(fmt.Sprint(name, ", ", between, " lines between"), func(t *testing.T) {
				t.Parallel()
				var log strings.Builder
				numbers := map[int64]string{}
				for i, text := range tc.lines {
					log.WriteString(text + "\n" + filler(i*between, between))
					if want := tc.bad[int64(i+1)]; want != "" {
						numbers[int64(i*(between+1)+1)] = want
					}
				}
				o := options()
				o.Strict, o.ChunkBytes, o.Workers = true, 1024, 4
				got := map[int64]string{}
				o.OnBad = func(b *replay.BadLine) error { got[b.Line] = b.Err.Error(); return nil }
				result, err := replay.FromReader(t.Context(), strings.NewReader(log.String()), o)
				if err != nil {
					t.Fatal(err)
				}
				for number, want := range numbers {
					if !strings.Contains(got[number], want) {
						t.Errorf("line %d: %q, want %q", number, got[number], want)
					}
				}
				total := int64(len(tc.lines) * (between + 1))
				if len(got) != len(numbers) || result.Duplicates != tc.duplicates || result.Bad != int64(len(numbers)) || result.Events != total-int64(len(numbers)) {
					t.Errorf("bad lines %v; %+v", got, result.Progress)
				}
				o.OnBad = nil
				_, err = replay.FromReader(t.Context(), strings.NewReader(log.String()), o)
				if line := (*replay.BadLine)(nil); errors.As(err, &line) != (len(numbers) > 0) || line != nil && numbers[line.Line] == "" {
					t.Errorf("the first bad line is %v", err)
				}
			})
		}
	}
}
