package eventstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventstore"
)

func TestPagesReadsOnUntilThereIsNoCursorOrAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	next := map[string]string{"": "a", "a": "b", "b": ""}
	for _, c := range []struct {
		failsAt string
		stopAt  string
		want    []string
	}{{"none", "", []string{"page ", "page a", "page b"}}, {"a", "", []string{"page ", "broken"}}, {"none", "page a", []string{"page ", "page a"}}} {
		var got []string
		for page, err := range eventstore.Pages(func(cursor string) (string, string, error) {
			if cursor == c.failsAt {
				return "", "", broken
			}
			return "page " + cursor, next[cursor], nil
		}) {
			if err != nil {
				page = fmt.Sprint(err)
			}
			if got = append(got, page); page == c.stopAt {
				break
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("fails at %s (-want +got):\n%s", c.failsAt, diff)
		}
	}
}
