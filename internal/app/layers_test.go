package app_test

import (
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// layers are the folders, from the inside out. A package may import its own folder and those of
// lower rank (infra/DESIGN.md section 3); two folders of one rank do not know each other.
var layers = map[string]int{
	"event": 0, "fault": 0,
	"model":   1,
	"observe": 2, "canteen": 2,
	"engine":   3,
	"store":    4,
	"operate":  5,
	"edge":     6,
	"app":      7,
	"rehearse": 8,
}

// layerOf is the folder that a package of ours lies in, "" for others.
func layerOf(pkg string) string {
	inside, ours := strings.CutPrefix(pkg, "gakushoku/internal/")
	if !ours {
		return ""
	}
	folder, _, _ := strings.Cut(inside, "/")
	return folder
}

func TestImportsPointInwards(t *testing.T) {
	t.Parallel()
	for pkg, imports := range imported(t) {
		from := layerOf(pkg)
		for _, i := range imports {
			to := layerOf(i)
			if to != "" && to != from && layers[to] >= layers[from] {
				t.Errorf("%s imports %s: %s may not know %s", pkg, i, from, to)
			}
			if from == "operate" && to == "canteen" {
				t.Errorf("%s imports %s: what operators use is told by the registration what it serves", pkg, i)
			}
			if pure(from) && to == "" && !allowedInDomain(i) {
				t.Errorf("%s is pure and imports %s: only the standard library and Unicode's tables are allowed", pkg, i)
			}
		}
	}
}

func TestEachFolderIsALayer(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := layers[e.Name()]; e.IsDir() && !ok {
			t.Errorf("internal/%s is no layer: move it into one of %v", e.Name(), slices.Sorted(func(yield func(string) bool) {
				for name := range layers {
					if !yield(name) {
						return
					}
				}
			}))
		}
	}
}

// imported maps each of our packages to what it imports.
func imported(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "gakushoku/internal/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[fields[0]] = fields[1:]
	}
	return all
}

// pure reports whether a layer does without clock, chance and the outside.
func pure(layer string) bool { return slices.Contains([]string{"event", "model", "canteen"}, layer) }

func allowedInDomain(pkg string) bool {
	return pkg == "golang.org/x/text/unicode/norm" || !strings.Contains(path.Dir(pkg+"/"), ".")
}
