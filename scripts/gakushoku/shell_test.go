package main

import (
	"strings"
	"testing"
)

func TestShellsCompleteCommandsOptionsAndNames(t *testing.T) { // not parallel: it sets the environment
	for line, want := range map[string]string{
		"gakushoku proj":                      "projection",
		"gakushoku projection reb":            "rebuild",
		"gakushoku projection rebuild --so":   "--soak",
		"gakushoku projection verify o":       "orders",
		"gakushoku cache clear prod":          "products",
		"gakushoku drill run stuck-check":     "stuck-checkout",
		"gakushoku completion f":              "fish",
		"gakushoku projection rebuild --nono": "",
	} {
		t.Setenv("COMP_LINE", line)
		if got := strings.TrimSpace(ok(t)); got != want {
			t.Errorf("%q is completed by %q, want %q", line, got, want)
		}
	}
}

func TestCompletionPrintsTheLineForEachShell(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		contains(t, ok(t, "completion", shell), "complete ", "gakushoku")
	}
	call(t, "completion", "tcsh").wants(t, exitUsage, `"bash","zsh","fish"`)
}

func TestTheManualPageHasEveryCommand(t *testing.T) {
	t.Parallel()
	contains(t, ok(t, "man"), ".TH GAKUSHOKU 1", "rebuild", "park", "--soak")
}

func TestHelpAndVersionAreFoundWhereTheyAreLookedFor(t *testing.T) {
	t.Parallel()
	contains(t, ok(t, "help"), "Commands:", "projection rebuild")
	if got, want := ok(t, "help", "projection", "rebuild"), ok(t, "projection", "rebuild", "--help"); got != want {
		t.Errorf("help projection rebuild prints %q", got)
	}
	if got, want := ok(t, "--version"), ok(t, "version"); got != want {
		t.Errorf("--version prints %q, version %q", got, want)
	}
}
