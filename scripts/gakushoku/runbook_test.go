//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/operate/alarm"
	"gakushoku/internal/operate/logs"
	"gakushoku/internal/operate/runbook"
	"gakushoku/internal/rehearse/drill"
)

const runbooks = "../../infra/runbooks"

// TestTheRunbooksCommandsWork runs every command of every page for people on call that is for a
// data folder, in order, as these people would. What drills run is left to them.
func TestTheRunbooksCommandsWork(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	var played sync.Map
	t.Run("pages", func(t *testing.T) {
		for _, page := range pages(t) {
			name := filepath.Base(page)
			blocks, err := runbook.Blocks(read(t, page))
			if err != nil {
				t.Fatalf("%s, %v", name, err)
			}
			blocks = slices.DeleteFunc(blocks, func(b runbook.Block) bool {
				return b.AWS || scenes[name] == nil && scenes[name+"#"+b.Section] == nil && drill.Runs(name, b.Section)
			})
			scene := name
			for len(blocks) > 0 {
				n := 1
				for n < len(blocks) && (blocks[n].Section == blocks[0].Section || scenes[name+"#"+blocks[n].Section] == nil) {
					n++
				}
				if key := name + "#" + blocks[0].Section; scenes[key] != nil {
					scene = key
				}
				played.Store(scene, true)
				play(t, scene, blocks[:n])
				blocks = blocks[n:]
			}
		}
	})
	for scene := range scenes {
		if _, ok := played.Load(scene); !ok {
			t.Errorf("there is no page, or no section with commands, for the scene %q", scene)
		}
	}
}

// play sets a scene, and runs blocks in it.
func play(t *testing.T, scene string, blocks []runbook.Block) {
	t.Run(scene, func(t *testing.T) {
		t.Parallel()
		set := scenes[scene]
		if set == nil {
			t.Fatalf("there is no scene for %s", scene)
		}
		s := newShift(t)
		set(s)
		for i := range blocks {
			s.run(&blocks[i])
		}
		s.background.Wait()
		contains(t, s.written.String(), s.shows...)
		if s.ended != nil {
			s.ended()
		}
	})
}

// A person woken by an alarm searches for its name in the index or on its page.
func TestEveryAlarmIsOnItsPageAndInTheIndex(t *testing.T) {
	t.Parallel()
	index := read(t, filepath.Join(runbooks, "README.md"))
	for _, c := range alarm.All() {
		if c.Part {
			continue
		}
		row := slices.IndexFunc(slices.Collect(strings.Lines(index)), func(line string) bool {
			return strings.HasPrefix(line, "| `") && strings.Contains(line, "`"+c.Name+"`") && strings.Contains(line, "]("+c.Runbook+") |")
		})
		if row < 0 {
			t.Errorf("the index does not lead from %s to %s", c.Name, c.Runbook)
		}
		symptom, _, _ := strings.Cut(read(t, filepath.Join(runbooks, c.Runbook)), "**In the commands")
		if c.Class != alarm.Info && !strings.Contains(symptom, "`"+c.Name+"`") {
			t.Errorf("%s does not say that %s leads to it", c.Runbook, c.Name)
		}
	}
}

// kindOfProblem is where the code names a kind of problem.
var kindOfProblem = regexp.MustCompile(`(?m)^\t\w+ +Kind = "(\w+)"`)

// Each problem of log or store is explained, with what to do.
func TestEveryProblemOfLogAndStoreIsExplained(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(read(t, filepath.Join(runbooks, "failed-run.md")), "\n## What the problems mean\n")
	table, _, _ = strings.Cut(table, "\n## ")
	kinds := kindOfProblem.FindAllStringSubmatch(read(t, "../../internal/engine/logcheck/report.go"), -1)
	if len(kinds) == 0 || len(kinds) != len(logcheck.Kinds) {
		t.Errorf("%d kinds in the code, %d are listed", len(kinds), len(logcheck.Kinds))
	}
	for _, kind := range kinds {
		rows := 0
		for line := range strings.Lines(table) {
			cells := strings.Split(strings.Trim(line, "| \n"), " | ")
			if len(cells) == 3 && strings.Contains(cells[0], "`"+kind[1]+"`") && cells[1] != "" && cells[2] != "" {
				rows++
			}
		}
		if rows != 1 {
			t.Errorf("%s is explained %d times", kind[1], rows)
		}
	}
}

// savedQuery is what pages call a query that a stack has saved in CloudWatch Logs Insights.
var savedQuery = regexp.MustCompile("`STACK/([a-z-]+)`")

func TestTheRunbooksNameQueriesThatAreSaved(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, page := range pages(t) {
		for _, found := range savedQuery.FindAllStringSubmatch(read(t, page), -1) {
			named[found[1]] = true
			if _, err := logs.QuestionNamed(found[1]); err != nil {
				t.Errorf("%s: %v", filepath.Base(page), err)
			}
		}
	}
	for _, q := range logs.Questions() {
		if !named[q.Name] {
			t.Errorf("no page says what STACK/%s is good for", q.Name)
		}
	}
}

// pages are the files of all pages.
func pages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return pages
}

// link is a Markdown link to a page here, or to a heading.
var link = regexp.MustCompile(`\]\(([^)\s]*)\)`)

func TestTheLinksOfTheRunbooksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(read(t, page), -1) {
			file, anchor, _ := strings.Cut(found[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			text, err := os.ReadFile(target)
			if err != nil || anchor != "" && !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s: the link %s leads nowhere", filepath.Base(page), found[1])
			}
		}
	}
}

// anchors are the names that a page's headings have in links.
func anchors(page string) []string {
	var names []string
	for line := range strings.Lines(page) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			name := strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
					return unicode.ToLower(r)
				}
				return -1
			}, strings.TrimSpace(heading))
			names = append(names, name)
		}
	}
	return names
}
