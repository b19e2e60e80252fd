package main

import (
	"path/filepath"
	"testing"
)

func TestAMenuIsImportedIntoANewFolderAndAgain(t *testing.T) {
	t.Parallel()
	dir, file := filepath.Join(t.TempDir(), "data"), filepath.Join("..", "..", "events", "menu.csv")
	call(t, "menu", "import", file, "-d", dir).wants(t, exitDone, "14 products in 5 categories: 19 changed")
	call(t, "menu", "import", file, "-d", dir, "--json").wants(t, exitDone, `"changed": 0`)
	call(t, "events", "show", "product-curry", "-d", dir).wants(t, exitDone, "ProductSet")
	bad := put(t, "menu.csv", "productId,nameJa,price\ncurry,カレー,0\n")
	call(t, "menu", "import", bad, "-d", dir).wants(t, exitFailed, "line 2", "nothing was changed")
	call(t, "menu", "import", file, "-d", dir, "--aws", "x").wants(t, exitUsage, "choose one")
}
