package rowjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gakushoku/internal/engine/projection/rowjson"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// anyRow has a field of every kind that a row may hold.
type anyRow struct {
	Text     string `json:"text"`
	Flag     bool   `json:"flag"`
	Small    int8
	Count    uint32        `json:"count,omitempty"`
	At       event.Instant `json:"at,omitzero"`
	Moment   time.Time     `json:"moment,omitzero"`
	Maybe    string        `json:"<maybe>,omitempty"`
	Parts    []part        `json:"parts"`
	Names    []string      `json:"names,omitempty"`
	Inner    part          `json:"inner,omitempty"`
	Skipped  int           `json:"-"`
	part                   // its fields are the row's
	unstored int
}

type part struct {
	Name string `json:"name,omitempty"`
	Size int64  `json:"size,omitempty"`
}

func (*anyRow) Apply(*event.Event) error            { return nil }
func (*anyRow) Contributions() []model.Contribution { return nil }
func (*anyRow) Place() model.Place                  { return model.Place{} }

func TestRowsOfAnyShapeAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	t.Parallel()
	text := rapid.StringOf(rapid.SampledFrom([]rune("a<>&\"\\\u2028\ufffd\n\x00カ")))
	instant := rapid.Map(rapid.Int64Range(-62167219200000, 253402300799999), func(ms int64) event.Instant { return event.InstantOfMilli(ms) })
	parts := rapid.Custom(func(t *rapid.T) part { return part{text.Draw(t, "name"), rapid.Int64Range(0, 3).Draw(t, "size")} })
	rapid.Check(t, func(t *rapid.T) {
		r := &anyRow{
			Text: text.Draw(t, "text"), Flag: rapid.Bool().Draw(t, "flag"), Small: rapid.Int8().Draw(t, "small"), Count: rapid.Uint32Range(0, 2).Draw(t, "count"),
			At: rapid.OneOf(rapid.Just(event.Instant(0)), instant).Draw(t, "at"), Maybe: text.Draw(t, "maybe"),
			Parts: rapid.OneOf(rapid.Just([]part(nil)), rapid.SliceOfN(parts, 0, 3)).Draw(t, "parts"), Names: rapid.SliceOfN(text, 0, 2).Draw(t, "names"),
			Inner: parts.Draw(t, "inner"), part: parts.Draw(t, "embedded"), Skipped: 1, unstored: 1,
		}
		if rapid.Bool().Draw(t, "moment") {
			r.Moment = time.Unix(rapid.Int64Range(0, 1e10).Draw(t, "seconds"), 5e6).UTC()
		}
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := rowjson.Append([]byte("x"), r); string(got) != "x"+string(want) {
			t.Fatalf("got  %s\nwant x%s", got, want)
		}
	})
}

type twiceRow struct {
	anyRow
	Text string `json:"text"`
}

func TestTwoFieldsOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, `"text"`) {
			t.Errorf("panicked with %q", said)
		}
	}()
	rowjson.Append(nil, &twiceRow{})
}

type floatRow struct {
	anyRow `json:"row"`
	Share  float64 `json:"share"`
}

func TestARowOfAnUnknownTypeIsRefusedByName(t *testing.T) {
	t.Parallel()
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, "float64") {
			t.Errorf("panicked with %q", said)
		}
	}()
	rowjson.Append(nil, &floatRow{})
}
