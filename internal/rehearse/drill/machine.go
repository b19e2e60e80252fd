package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"gakushoku/internal/fault"
)

// clockSkew is a wrong clock on the machine that handles commands.
func clockSkew() Drill {
	const behind = 10 * time.Minute
	return Drill{
		Name: "clock-skew", Title: "The alarm says that lists are late, and they are not", Page: "projection-lag.md",
		broken: fmt.Sprintf("the clock that gives events their times is %s slow", behind),
		breaks: func(ctx context.Context, c *canteen) error {
			c.faults.slow.Store(int64(behind))
			c.order = "lunch-skewed"
			return c.lunch(ctx, c.order)
		},
		signs: []sign{alarmed("projection-lag", beat)},
		steps: []step{
			{section: look, shows: []string{"projectionLag  ok", "up to date", "OrderPlaced"}},
			{section: "A clock is wrong", check: func(output string) error { return behindBy(output, behind) }},
			{hand: "the clock is set right", do: func(_ context.Context, c *canteen) error { c.faults.slow.Store(0); return nil }},
			{section: over, shows: []string{"is ready after"}},
		},
	}
}

// instant matches a time as the command line prints it.
var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)

// behindBy checks that the output has a time that is behind the clock.
func behindBy(output string, behind time.Duration) error {
	for _, found := range instant.FindAllString(output, -1) {
		if at, err := time.Parse(time.RFC3339, found); err == nil && time.Since(at) >= behind {
			return nil
		}
	}
	return fmt.Errorf("no time is %s behind the clock", behind)
}

// diskFull is a disk without room.
func diskFull() Drill {
	const size, export = 300 << 20, "export-of-last-year.jsonl"
	return Drill{
		Name: "disk-full", Title: "Nobody can order or pay", Page: "commands-failing.md",
		broken: "the disk of the data folder is full: last year's events were exported into it",
		breaks: func(_ context.Context, c *canteen) error {
			// Sparse: it takes no room on the real disk.
			file, err := os.Create(filepath.Join(c.data, export))
			if err == nil {
				err = errors.Join(file.Truncate(size), file.Close())
			}
			if err != nil {
				return err
			}
			c.faults.disk.Store(&smallDisk{c.data, size})
			return nil
		},
		signs: []sign{alarmed("canteen-down", beat), unwell("disk")},
		steps: []step{
			{section: look, shows: []string{"disk: 0 MiB are free", "the disk is full, free some space"}},
			{section: "The disk is full", shows: []string{export}},
			{hand: "the export is taken away", do: func(_ context.Context, c *canteen) error { return os.Remove(filepath.Join(c.data, export)) }},
			{section: over, shows: []string{"is ready after", "It is sound."}},
		},
	}
}

// stuckArchiver is a log that no longer grows.
func stuckArchiver() Drill {
	return Drill{
		Name: "stuck-archiver", Title: "The newest backup lacks the lunch", Page: "log-not-advancing.md",
		broken: "the server can no longer write the numbered log's objects",
		breaks: func(_ context.Context, c *canteen) error {
			c.faults.archiving.begin(func(context.Context) error {
				return fault.Unavailable(&diskError{"create", filepath.Join(c.data, "log")})
			})
			return nil
		},
		// Three seconds: the archiver lets events wait for two.
		signs: []sign{alarmed("log-not-advancing", 3*beat)},
		steps: []step{
			{section: look, shows: []string{"archive:delayed", "input/output error", "logLag"}},
			{hand: "the log's disk can be written again", do: func(_ context.Context, c *canteen) error { c.faults.archiving.end(); return nil }},
			{section: over, shows: []string{"The log is sound."}},
		},
	}
}
