package infra_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gakushoku/infra"
)

var update = flag.Bool("update", false, "write openapi.json from openapi.yaml")

// The server serves openapi.json, so that no function has to parse YAML.
func TestOpenAPIJSONIsGeneratedFromTheYAML(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(infra.OpenAPI())); diff != "" {
		t.Errorf("openapi.json is out of date (run go test ./infra -run OpenAPI -update):\n%s", diff)
	}
}
