//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/rehearse/drill"
)

// asCommand is this program as a file that can be called: the test binary is the program only
// when it is told so.
func asCommand(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gakushoku")
	if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asProgram, os.Args[0]), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// silent is a program that says nothing, and that all is well.
func silent(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryDrillEndsWell(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	for _, d := range drill.All() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			report, err := d.Run(t.Context(), drill.Options{Program: asCommand(t)})
			if err != nil {
				t.Fatalf("%s\n%s", err, report.Problem)
			}
			if !report.OK || len(report.Signs) == 0 || len(report.Over) <= len(report.Signs) || report.Guests.Requests == 0 || report.DetectMs <= 0 || report.RepairMs <= 0 || report.Folder != "" {
				t.Errorf("%+v", report)
			}
			for _, s := range report.Steps {
				if (s.Section == "") == (s.Hand == "") || s.Section != "" && s.Output == "" {
					t.Errorf("what was this? %+v", s)
				}
			}
		})
	}
}

// As people type it: the program calls itself, tells what it does, and leaves what it is told to.
func TestADrillCanBeRunByHand(t *testing.T) {
	t.Parallel()
	cmd, temp, stderr := process(t, "drill", "run", "lost-operation", "--keep", "--json")
	out, err := cmd.Output()
	var report drill.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s%s", err, out, stderr)
	}
	if err != nil || !report.OK || filepath.Dir(report.Folder) != temp {
		t.Fatalf("%v, %+v", err, report)
	}
	contains(t, ok(t, "events", "show", "lunch-lost", "-d", filepath.Join(report.Folder, "data")), "OrderPlaced", "OrderPaid")
}

func TestDrillReportsFailedChecks(t *testing.T) {
	t.Parallel()
	d, _ := drill.Find("lost-operation")
	var told strings.Builder
	report, err := d.Run(t.Context(), drill.Options{Program: silent(t), Progress: func(l drill.Line) { fmt.Fprintln(&told, l.Kind, l.Text) }})
	if err == nil || report.OK || !strings.Contains(err.Error(), `drill lost-operation: lost-operation.md, section "Look" does not show`) {
		t.Errorf("%v, %+v", err, report)
	}
	contains(t, told.String(), "broken the disk of the event store", "shown after", "failed lost-operation.md, section \"Look\" does not show")
}

func TestADrillEndsWhenItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	d, _ := drill.Find("stuck-archiver")
	report, err := d.Run(ctx, drill.Options{Program: silent(t), Progress: func(drill.Line) { stop() }})
	if err == nil || report.OK || !strings.Contains(report.Problem, context.Canceled.Error()) {
		t.Errorf("%v, %+v", err, report)
	}
}

func TestDrillsAreListed(t *testing.T) {
	t.Parallel()
	list := ok(t, "drill", "list")
	for _, d := range drill.All() {
		contains(t, list, d.Name+" ", d.Page, `"`+d.Title+`"`)
	}
	call(t, "drill", "run", "nonsense").wants(t, exitUsage, "there is no drill \"nonsense\"", "gakushoku drill list")
}
