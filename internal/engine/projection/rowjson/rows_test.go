package rowjson_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/engine/projection/rowjson"
	"gakushoku/internal/engine/replay/rowpack"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The rows of every projection can be written, packed for a replay, and read back.
func TestEveryProjectionsRowsAreWrittenPackedAndReadBack(t *testing.T) {
	t.Parallel()
	var log []byte
	for _, name := range []string{"log.jsonl", "checkout.jsonl", "menu.jsonl"} {
		part, err := os.ReadFile(filepath.Join("..", "..", "..", "canteen", "readmodel", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, part...)
	}
	for _, d := range append(canteen.Projections(), checkout.Process().Projection) {
		rows := map[string]model.Row{}
		for line := range bytes.Lines(log) {
			var e event.Event
			if err := event.Decode(bytes.TrimSpace(line), &e); err != nil {
				t.Fatal(err)
			}
			if !d.Folds(e.Stream) {
				continue
			}
			if rows[e.Stream] == nil {
				rows[e.Stream] = d.NewRow()
			}
			if err := rows[e.Stream].Apply(&e); err != nil {
				t.Fatal(err)
			}
		}
		if len(rows) == 0 {
			t.Errorf("%s has no rows", d.Name)
		}
		if _, err := rowpack.NewPacker(d.NewRow()); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		for stream, row := range rows {
			want, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			again := d.NewRow()
			if err := json.Unmarshal(want, again); err != nil {
				t.Fatal(err)
			}
			if got := rowjson.Append(nil, again); string(got) != string(want) {
				t.Errorf("%s of %s revision %d: got %s, want %s", stream, d.Name, d.Revision, got, want)
			}
		}
	}
}
