package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASweepCountsATextWhereverItLiesInAFile(t *testing.T) {
	t.Parallel()
	const text = "203.0.113.7"
	for _, at := range []int{0, 1, 1<<20 - len(text), 1<<20 - 5, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2<<20 - 3} {
		content := strings.Repeat("x", at) + text + strings.Repeat("y", 1<<20)
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		found := 0
		if err := eachText(t.Context(), path, []string{text, "a much longer text that is not there"}, func(string) { found++ }); err != nil || found != 1 {
			t.Errorf("at %d: found %d times, %v", at, found, err)
		}
	}
}
