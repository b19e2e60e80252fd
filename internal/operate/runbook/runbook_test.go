package runbook_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/operate/runbook"
)

// page is Markdown in which ”' stands for a fence.
func page(text string) string { return strings.ReplaceAll(text, "'''", "```") }

func TestBlocksAreThoseWithCommands(t *testing.T) {
	t.Parallel()
	got, err := runbook.Blocks(page(`# A page

Words with $(commands) that are not run.
'''sh
first
# a comment, no heading
second | third
'''

## Look

'''text
shown only
'''
'''sh aws background exit=2
fourth
'''
`))
	want := []runbook.Block{
		{Section: "A page", Line: 4, Commands: "first\n# a comment, no heading\nsecond | third\n"},
		{Section: "Look", Line: 15, Commands: "fourth\n", AWS: true, Background: true, Exit: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestAPageThatHidesCommandsIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another kind":         "'''bash\nrm\n'''\n",
		"no kind":              "'''\nrm\n'''\n",
		"an unknown word":      "'''sh skip\nrm\n'''\n",
		"a code that is none":  "'''sh exit=x\nrm\n'''\n",
		"a code out of range":  "'''sh exit=256\nrm\n'''\n",
		"text with a word":     "'''text skip\nrm\n'''\n",
		"a block without end":  "'''sh\nrm\n",
		"a block in a block":   "'''sh\nrm\n'''sh\nrm\n'''\n",
		"a block of no things": "'''sh\n\n'''\n",
	} {
		if blocks, err := runbook.Blocks(page(text)); err == nil || !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%s: %+v, %v", name, blocks, err)
		}
	}
}

func TestRunHoldsABlockToItsExitCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "ORDER=o1"}
	for name, test := range map[string]struct {
		commands string
		exit     int
		output   string
		wrong    string
	}{
		"all is well":                  {`echo "$ORDER"; pwd`, 0, "o1\n" + dir + "\n", ""},
		"the expected failure":         {"echo no >&2; exit 3", 3, "no\n", ""},
		"a failure":                    {"exit 1", 0, "", "exit code 1, not 0"},
		"a failure that does not come": {"true", 1, "", "exit code 0, not 1"},
		"the first that fails ends it": {"false\necho more", 1, "", ""},
		"a failure within a pipe":      {"false | cat", 1, "", ""},
		"a name that is not set":       {"echo $NOTHING", 0, "", "NOTHING: unbound variable"},
	} {
		block := runbook.Block{Line: 7, Commands: test.commands, Exit: test.exit}
		output, err := block.Run(t.Context(), dir, env)
		if test.wrong == "" && (err != nil || output != test.output) {
			t.Errorf("%s: %q, %v", name, output, err)
		}
		if test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong) || !strings.Contains(err.Error(), "line 7: ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRunFailsWithoutBash(t *testing.T) {
	t.Setenv("PATH", filepath.Join(t.TempDir(), "empty"))
	if _, err := (&runbook.Block{Commands: "true"}).Run(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "bash") {
		t.Errorf("got %v", err)
	}
}

func TestRunStopsWhatItHasStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := filepath.Join(dir, "started")
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(started); err == nil {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	// The child of the shell, not the shell itself, writes that it was stopped.
	commands := `bash -c 'trap "touch stopped; exit 1" TERM; touch started; while true; do sleep 0.05; done'` + "\ntrue\n"
	if _, err := (&runbook.Block{Commands: commands}).Run(ctx, dir, []string{"PATH=" + os.Getenv("PATH")}); err == nil {
		t.Error("it did not fail")
	}
	if _, err := os.Stat(filepath.Join(dir, "stopped")); err != nil {
		t.Errorf("the child was left behind: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := (&runbook.Block{Commands: "exec sleep 60", Exit: -1}).Run(ctx, t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}); err == nil || !strings.Contains(err.Error(), "running bash") {
		t.Errorf("got %v", err)
	}
}
