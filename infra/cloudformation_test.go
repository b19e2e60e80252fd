package infra_test

import (
	"os"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// resource is a resource of a CloudFormation template. References in its properties are as !Sub
// writes them, ${Name}.
type resource struct {
	ID, Type   string
	Properties map[string]any
}

type properties = map[string]any

// resources are those of a template, by their ids.
func resources(t *testing.T, path string) map[string]resource {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	root, _ := value(t, document.Content[0]).(map[string]any)
	found := map[string]resource{}
	all, _ := root["Resources"].(map[string]any)
	for id, r := range all {
		r, _ := r.(map[string]any)
		kind, _ := r["Type"].(string)
		properties, _ := r["Properties"].(map[string]any)
		found[id] = resource{id, kind, properties}
	}
	return found
}

// ofType are the resources of a type.
func ofType(all map[string]resource, kind string) []resource {
	var found []resource
	for _, r := range all {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	return found
}

// value is what a node of the document says, numbers as float64.
func value(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.AliasNode:
		return value(t, n.Alias)
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			all[n.Content[i].Value] = value(t, n.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		all := []any{}
		for _, item := range n.Content {
			all = append(all, value(t, item))
		}
		return all
	}
	switch n.Tag {
	case "!Ref", "!GetAtt":
		return "${" + n.Value + "}"
	case "!!int", "!!float":
		var f float64
		if err := n.Decode(&f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	return n.Value
}
