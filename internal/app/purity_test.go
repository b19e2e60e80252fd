package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The domain asks no clock, throws no dice and touches nothing outside: what it makes of the
// same events is the same each time, on every machine.
func TestTheDomainIsPure(t *testing.T) {
	t.Parallel()
	impure := []string{"math/rand", "math/rand/v2", "crypto/rand", "os", "net", "net/http", "io/fs", "runtime", "sync", "context"}
	clock := []string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker", "Sleep", "Local", "LoadLocation"}
	for pkg := range imported(t) {
		if !pure(layerOf(pkg)) {
			continue
		}
		files, err := filepath.Glob(filepath.Join("..", strings.TrimPrefix(pkg, "gakushoku/internal/"), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files: %v", pkg, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				if name, _ := strconv.Unquote(imported.Path.Value); slices.Contains(impure, name) {
					t.Errorf("%s imports %s", path, name)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, s.Sel.Name) {
						t.Errorf("%s uses time.%s", path, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}
