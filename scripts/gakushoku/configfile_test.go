package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheConfigurationFileSetsOptions(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	file := put(t, "c.yaml", "data: "+dir+"\nevents:\n  export:\n    number: 1\narchive:\n  sweep: {older-than: 7d}\n")
	call(t, "--config", file, "events", "export").wants(t, exitUsage, "events: export: number is no option of gakushoku events export")
	file = put(t, "c.yaml", "data: "+dir+"\nprojection:\n  runs:\n    json: true\n")
	contains(t, ok(t, "--config", file, "events", "show", "o1"), "OrderPaid")
	contains(t, ok(t, "--config", file, "config", "show"), "--data", dir, "projection runs --json", "true", file)
	// The command line goes first.
	call(t, "--config", file, "events", "show", "o1", "-d", filepath.Join(dir, "none")).wants(t, exitUnknown, "there is no data folder")
}

func TestTheEnvironmentGoesBeforeTheConfigurationFile(t *testing.T) { // not parallel: it sets the environment
	dir := seeded(t)
	t.Setenv("GAKUSHOKU_CONFIG", put(t, "c.yaml", "data: /nowhere\npayments:\n  serve:\n    secret: hidden\n"))
	t.Setenv("GAKUSHOKU_DATA", dir)
	contains(t, ok(t, "events", "show", "o1"), "OrderPaid")
	var got []setting
	if err := json.Unmarshal([]byte(ok(t, "config", "show", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	want := []setting{
		{Option: "data", Value: dir, From: "$GAKUSHOKU_DATA"},
		{Option: "config", Value: os.Getenv("GAKUSHOKU_CONFIG"), From: "$GAKUSHOKU_CONFIG"},
		{Command: "payments serve", Option: "secret", Value: "(not shown)", From: os.Getenv("GAKUSHOKU_CONFIG")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheConfigurationFileOfTheWorkingDirectoryIsRead(t *testing.T) { // not parallel: it changes the directory
	dir := seeded(t)
	t.Chdir(filepath.Dir(put(t, defaultConfigFile, "data: "+dir+"\n")))
	contains(t, ok(t, "events", "show", "o1"), "OrderPaid")
}

func TestAConfigurationFileThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"srve: {addr: x}":                        "srve is no option of gakushoku",
		"serve: {adr: x}":                        "serve: adr is no option of gakushoku serve",
		"serve: x":                               "serve is no option",
		"config: x":                              "config is no option",
		"- a":                                    "is not YAML with options by name",
		"a: [":                                   "is not YAML with options by name",
		"projection: {runs: {last: many}}":       "--last",
		"archive: {sweep: {older-than: 7 days}}": "--older-than",
	} {
		file := put(t, "c.yaml", content)
		args := []string{"--config", file, "version"}
		if want[0] == '-' {
			args = []string{"--config", file, "projection", "runs", "orders"}
			if want == "--older-than" {
				args = []string{"--config", file, "archive", "sweep"}
			}
		}
		call(t, args...).wants(t, exitUsage, want)
	}
	call(t, "--config", "nowhere.yaml", "version").wants(t, exitUsage, "reading the configuration file")
}
