package canteen_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "gakushoku/internal/canteen" // defines the types
	"gakushoku/internal/event"
)

// Every schema of every type that ever shipped has a line in testdata/golden, and beside it
// the payload that it must be brought up to. These files are never changed, only added to.
func TestEverySchemaThatShippedDecodes(t *testing.T) {
	t.Parallel()
	for _, typ := range event.Types() {
		for schema := 1; schema <= typ.Schema; schema++ {
			name := fmt.Sprintf("%s-%d", typ.Name, schema)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				checkGolden(t, name, typ, schema)
			})
		}
	}
}

func checkGolden(t *testing.T, name string, typ *event.Type, schema int) {
	line := golden(t, name+".jsonl")
	var e event.Event
	if err := event.Decode(line, &e); err != nil {
		t.Fatal(err)
	}
	if err := event.Check(&e); err != nil {
		t.Error(err)
	}
	if e.Type != typ.Name || e.Schema != schema || !strings.HasPrefix(e.Stream, typ.Kind.Prefix) {
		t.Errorf("decoded %s of schema %d in %s", e.Type, e.Schema, e.Stream)
	}
	payload, err := event.DecodePayload(&e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	if want := golden(t, name+".payload.json"); !bytes.Equal(got, want) {
		t.Errorf("payload %s, want %s", got, want)
	}
	if e.Version == 0 {
		return // a line of the seed's kind is written with what was filled in
	}
	if again := event.AppendJSON(nil, &e); !bytes.Equal(again, line) {
		t.Errorf("written as %s, was %s", again, line)
	}
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(data, []byte("\n"))
}
