package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gakushoku/internal/operate/runbook"
)

// runbookLimit is how long the runbooks may take: they rebuild a read model, and it takes minutes until no
// reader can know an old pointer.
const runbookLimit = 10 * time.Minute

// followRunbooks runs what the runbooks say about a stack, as an operator would who has only the command line
// and the stack's name.
func followRunbooks(ctx context.Context, c *canteen) error {
	if err := c.guests.waitServed(ctx, 3); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "gakushoku-runbook-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	ctx, cancel := context.WithTimeout(ctx, runbookLimit)
	defer cancel()
	if err := buildCommandLine(ctx, work); err != nil {
		return err
	}
	before, err := c.stack.Control.Pointer(ctx, request().Projection)
	if err != nil {
		return err
	}
	if err := c.followPages(ctx, work); err != nil {
		return err
	}
	after, err := c.stack.Control.Pointer(ctx, request().Projection)
	if err != nil {
		return err
	}
	old, _ := before.ActiveVersion()
	active, _ := after.ActiveVersion()
	if active.Number <= old.Number || len(after.Versions) != 1 {
		return fmt.Errorf("the runbooks have left %+v, before them there was %+v", after.Versions, before.Versions)
	}
	return c.wantSound(ctx, 0)
}

// buildCommandLine builds the command line into a folder.
func buildCommandLine(ctx context.Context, folder string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(folder, "gakushoku"), "./scripts/gakushoku").CombinedOutput(); err != nil {
		return fmt.Errorf("building the command line: %w: %s", err, out)
	}
	return nil
}

// followPages runs what every runbook says about a stack.
func (c *canteen) followPages(ctx context.Context, work string) error {
	pages, err := filepath.Glob("infra/runbooks/*.md")
	if err != nil {
		return err
	}
	followed := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		blocks, err := runbook.Blocks(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
		for i := range blocks {
			if !blocks[i].AWS {
				continue
			}
			if _, err := blocks[i].Run(ctx, work, c.operator(work)); err != nil {
				return fmt.Errorf("%s: %w", page, err)
			}
			followed++
			say("   %s, %s: every command went well", page, blocks[i].Section)
		}
	}
	if followed == 0 {
		return fmt.Errorf("no page in infra/runbooks says anything about a stack")
	}
	return nil
}

// operator returns the environment of an operator of the stack.
func (c *canteen) operator(work string) []string {
	return append(os.Environ(), "PATH="+work+string(os.PathListSeparator)+os.Getenv("PATH"),
		"STACK="+c.options.stack, "URL="+c.client.app.URL, "ORDER="+c.guests.all()[0].ID)
}
