package observe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
)

func TestTheMoreSpecificValueOfAFieldWins(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := observe.WithLogger(t.Context(), observe.NewLogger(&out, zerolog.InfoLevel, "server"))
	ctx = observe.WithField(observe.WithCorrelationID(ctx, "of the run"), observe.FieldFunction, "projector")
	observe.Logger(ctx).Info().Str(observe.FieldCorrelationID, "of the event").Str("empty", "").Int("empty", 0).Msg("projection:gap")
	observetest.NoKeyTwice(t, out.Bytes())
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	delete(line, "timestamp")
	want := map[string]any{
		"level": "info", "message": "projection:gap", "service": "gakushoku", "function": "projector", "correlationId": "of the event", "empty": 0.0,
	}
	if !maps.Equal(line, want) {
		t.Errorf("%v, want %v", line, want)
	}
}

// Whatever a line holds, every key is there once with its last value, in the order of the last.
func TestALineHoldsEachKeyOnce(t *testing.T) {
	t.Parallel()
	texts := rapid.SampledFrom([]string{"", "a", `"`, `\`, `\"`, `","a":"`, "{", "}]", "[,", "食\n", "a\x00", "level"})
	rapid.Check(t, func(rt *rapid.T) {
		var out bytes.Buffer
		logger := observe.NewLogger(&out, zerolog.InfoLevel, "test")
		line := logger.Info()
		want, order := map[string]any{}, []string{}
		for range rapid.IntRange(0, 50).Draw(rt, "fields") {
			key := texts.Draw(rt, "key")
			var value any
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				value = texts.Draw(rt, "text")
			case 1:
				value = float64(rapid.IntRange(-9, 9).Draw(rt, "number"))
			case 2:
				value = []any{texts.Draw(rt, "first"), map[string]any{texts.Draw(rt, "inner"): []any{true, nil}}}
			case 3:
				value = nil
			}
			line = line.Interface(key, value)
			want[key] = value
			order = append(slices.DeleteFunc(order, func(k string) bool { return k == key }), key)
		}
		line.Msg("end")
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			rt.Fatalf("%v: %s", err, out.Bytes())
		}
		keys := observetest.Keys(t, out.Bytes())
		if len(keys) != len(got) {
			rt.Fatalf("%d keys, %d different: %s", len(keys), len(got), out.Bytes())
		}
		keys = slices.DeleteFunc(keys, func(k string) bool { _, ok := want[k]; return !ok })
		if !slices.Equal(keys, order) {
			rt.Fatalf("the keys are %q, want %q", keys, order)
		}
		for key, value := range want {
			if a, b := asJSON(rt, got[key]), asJSON(rt, value); a != b {
				rt.Fatalf("%q is %s, want %s", key, a, b)
			}
		}
	})
}

func asJSON(t *rapid.T, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

// Nothing is taken for written that was not, and a line without a repeat takes no memory.
func TestWritingALineOnceCostsNothing(t *testing.T) {
	var told error
	zerolog.ErrorHandler = func(err error) { told = err }
	defer func() { zerolog.ErrorHandler = nil }()
	logger := observe.NewLogger(full{}, zerolog.InfoLevel, "test")
	for _, field := range []string{"other", observe.FieldFunction} {
		told = nil
		logger.Info().Str(field, "x").Msg("lost")
		if !errors.Is(told, errFull) {
			t.Errorf("%s: the handler heard %v", field, told)
		}
	}
	var out bytes.Buffer
	quiet := observe.NewLogger(&out, zerolog.InfoLevel, "test")
	if n := testing.AllocsPerRun(100, func() { out.Reset(); quiet.Info().Str("orderId", "o1").Int("n", 1).Msg("m") }); n > 0 {
		t.Errorf("a line takes memory %g times", n)
	}
}
