package emf_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/getkin/kin-openapi/openapi3"
)

// check holds lines against the published specification of the format.
func check(t interface{ Fatalf(string, ...any) }, lines []string) {
	raw, err := os.ReadFile("testdata/schema.json")
	var schema openapi3.Schema
	if err := errors.Join(err, json.Unmarshal(raw, &schema)); err != nil {
		t.Fatalf("%v", err)
	}
	for _, l := range lines {
		var root map[string]any
		if err := json.Unmarshal([]byte(l), &root); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if err := schema.VisitJSON(root); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if err := targets(root); err != nil || len(l) > 256<<10 {
			t.Fatalf("%v: %s", err, l)
		}
		if root["message"] != "metrics" || root["level"] != "info" || root["service"] == nil || root["timestamp"] == nil {
			t.Fatalf("not a log line: %s", l)
		}
	}
}

// targets checks what a schema cannot say: that what the directives refer to is there.
func targets(root map[string]any) error {
	metrics := 0
	for _, d := range root["_aws"].(map[string]any)["CloudWatchMetrics"].([]any) {
		for _, set := range d.(map[string]any)["Dimensions"].([]any) {
			for _, name := range set.([]any) {
				if v, ok := root[name.(string)].(string); !ok || v == "" || len(v) > 1024 {
					return fmt.Errorf("dimension %s is %v", name, root[name.(string)])
				}
			}
		}
		for _, m := range d.(map[string]any)["Metrics"].([]any) {
			name := m.(map[string]any)["Name"].(string)
			metrics++
			switch v := root[name].(type) {
			case float64:
			case []any:
				if len(v) == 0 || len(v) > 100 {
					return fmt.Errorf("%s has %d values", name, len(v))
				}
			default:
				return fmt.Errorf("%s is %v", name, v)
			}
		}
	}
	if metrics > 100 {
		return fmt.Errorf("%d metrics in one line", metrics)
	}
	return nil
}
