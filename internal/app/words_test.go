package app_test

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The engine serves any domain: no word of the canteen stands in it, or in what it stands on. An order
// in the sense of a sequence is not the canteen's.
func TestTheEngineDoesNotNameTheCanteen(t *testing.T) {
	t.Parallel()
	canteen := regexp.MustCompile(`(?i)\b(orders?|sales|payments?|canteen|products?|menu|stock)\b|OrderP|orderId`)
	sequence := regexp.MustCompile(`(?i)\b(in|of|the|any|byte|sort|key|partial|total|reverse|that|same|out of|append|this|what|which|no|its|their|random|stream|log|first|right) orders?\b|orders? (in|of|by|they|it)\b`)
	for _, layer := range []string{"engine", "store", "event", "observe", "model", "fault"} {
		err := filepath.WalkDir(filepath.Join("..", layer), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			lines := bufio.NewScanner(f)
			for n := 1; lines.Scan(); n++ {
				if line := sequence.ReplaceAllString(lines.Text(), ""); canteen.MatchString(line) {
					t.Errorf("%s:%d names what belongs to a domain: %s", path, n, strings.TrimSpace(lines.Text()))
				}
			}
			return lines.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
