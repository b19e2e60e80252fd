package app_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers lists the packages from the inside out; a package may import its own layer and
// those before it (infra/DESIGN.md section 3).
var layers = []struct {
	name     string
	packages []string
}{
	{"domain", []string{"event", "order", "readmodel"}},
	{"foundation", []string{"fault", "observe", "runbook", "sink", "wait"}},
	{"engine", []string{"command", "eventstore", "eventlog", "archive", "projection", "query", "health", "replay", "reproject", "verify", "repair", "transfer", "logsearch", "spans", "timeline"}},
	{"adapters", []string{"awsfault", "awstrace", "dynamo", "sqlite", "memory", "faultport", "s3", "sfn", "insights", "files", "httpapi", "httpserver", "lambdaevent", "machine", "telemetry"}},
	{"app", []string{"alarm", "app", "demo", "drill", "guests", "simulation", "top"}},
}

func layerOf(path string) int {
	name, inside := strings.CutPrefix(path, "gakushoku/internal/")
	if !inside {
		return -1
	}
	name, _, _ = strings.Cut(name, "/")
	return slices.IndexFunc(layers, func(l struct {
		name     string
		packages []string
	}) bool {
		return slices.Contains(l.packages, name)
	})
}

func TestImportsPointInwards(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "gakushoku/internal/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := layerOf(fields[0])
		if from < 0 {
			t.Errorf("%s belongs to no layer: say to which", fields[0])
			continue
		}
		for _, imported := range fields[1:] {
			if strings.HasPrefix(imported, "gakushoku/internal/") && layerOf(imported) > from {
				t.Errorf("%s (%s) imports %s (%s)", fields[0], layers[from].name, imported, layers[layerOf(imported)].name)
			}
			if from == 0 && !allowedInDomain(imported) {
				t.Errorf("%s is domain and imports %s: only the standard library, event and Unicode's tables are allowed", fields[0], imported)
			}
		}
	}
}

func allowedInDomain(imported string) bool {
	switch imported {
	case "gakushoku/internal/event", "golang.org/x/text/unicode/norm":
		return true
	}
	return !strings.Contains(imported, ".") && !strings.HasPrefix(imported, "gakushoku/")
}
