package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// runReproject measures the replay of a log into the orders read model, and other programs that compute the
// same rows. Each round runs all programs in turn, so that other work on the machine affects all of them.
func runReproject(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("reproject", flag.ContinueOnError)
	sizes := flags.String("events", "1000000,5000000", "sizes of the logs, separated by commas")
	rounds := flags.Int("rounds", 3, "how often each program runs; the median counts")
	logTo := flags.String("log-to", os.DevNull, "the file that takes the log lines of all programs")
	bin := flags.String("bin", "", "the gakushoku to measure; built from the source when empty")
	python := flags.String("python", "", "a Python that has duckdb; looked for when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 {
		return fmt.Errorf("-rounds %d: at least 1 is needed", *rounds)
	}
	contenders, err := findContenders(ctx, *bin, *python, r)
	if err != nil {
		return err
	}
	return eachSize(*sizes, func(events int) error { return race(ctx, contenders, events, *rounds, *logTo, r) })
}

// contender is one program with one configuration.
type contender struct {
	name    string
	logs    bool // whether it writes a log line for each event
	ours    bool
	command func(ctx context.Context, file string) *exec.Cmd
	// streams connects the program's outcome and log lines to writers.
	streams func(cmd *exec.Cmd, outcome, log io.Writer)
	rows    *regexp.Regexp // finds the number of rows in the outcome
	rate    aim            // for our program, if it logs as much
	memory  aim            // likewise, at memoryAimed events or more
}

// memoryAimed is the size of log from which memory is compared: with smaller logs, what a program needs
// before it reads anything dominates.
const memoryAimed = 5_000_000

// race lets every contender replay one log in every round, and prints the medians.
func race(ctx context.Context, contenders []contender, events, rounds int, logTo string, r *report) error {
	file, err := logOf(ctx, events)
	if err != nil {
		return err
	}
	runs := make([][]measurement, len(contenders))
	rows := ""
	for round := range rounds {
		for i, c := range contenders {
			fmt.Fprintf(os.Stderr, "%d events, round %d of %d: %s\n", events, round+1, rounds, c.name)
			m, got, err := c.run(ctx, file, logTo)
			if err != nil {
				return err
			}
			if rows == "" {
				rows = got
			}
			if got != rows {
				return fmt.Errorf("%s made %s rows, %s made %s", c.name, got, contenders[0].name, rows)
			}
			runs[i] = append(runs[i], m)
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "\n%d events (%d bytes each), %s rows, median of %d\n\n", events, info.Size()/int64(events), rows, rounds)
	printRace(r.out, contenders, runs, events)
	reportRace(r, contenders, runs, events)
	return nil
}

// reportRace compares our program with each contender that logs as much.
func reportRace(r *report, contenders []contender, runs [][]measurement, events int) {
	ours := medianOfOurs(contenders, runs)
	for i, c := range contenders {
		own, ok := ours[c.logs]
		if c.ours || !ok {
			continue
		}
		what, theirs := fmt.Sprintf("%d events", events), median(runs[i])
		if c.logs {
			what += ", a line an event"
		}
		perSecond := func(m measurement) float64 { return float64(events) / m.wall.Seconds() }
		r.add(figure{what: what, ours: perSecond(own), unit: "events/s", baseline: c.name, theirs: perSecond(theirs), aim: c.rate})
		// Other work on the machine affects the rate more than the CPU time.
		r.add(figure{what: what + ": CPU time", ours: own.cpu.Seconds(), unit: "s", baseline: c.name, theirs: theirs.cpu.Seconds()})
		if own.peak > 0 && theirs.peak > 0 {
			memory := figure{what: what + ": peak memory", ours: float64(own.peak) / 1e6, unit: "MB", baseline: c.name, theirs: float64(theirs.peak) / 1e6}
			if events >= memoryAimed {
				memory.aim = c.memory
			}
			r.add(memory)
		}
	}
}

// medianOfOurs returns the medians of our own runs, by whether they logged.
func medianOfOurs(contenders []contender, runs [][]measurement) map[bool]measurement {
	ours := map[bool]measurement{}
	for i, c := range contenders {
		if c.ours {
			ours[c.logs] = median(runs[i])
		}
	}
	return ours
}

// logOf returns a generated log with this number of events. It is generated only once.
func logOf(ctx context.Context, events int) (string, error) {
	dir, err := cacheDir("logs")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("events-%d.jsonl", events))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "writing %s\n", path)
	return path, writeLogFile(ctx, path, events, 1)
}

// run measures one run and returns the number of rows it made.
func (c contender) run(ctx context.Context, file, logTo string) (measurement, string, error) {
	log, err := os.Create(logTo)
	if err != nil {
		return measurement{}, "", fmt.Errorf("the file for log lines: %w", err)
	}
	defer log.Close()
	var outcome bytes.Buffer
	cmd := c.command(ctx, file)
	c.streams(cmd, &outcome, log)
	m, err := measure(ctx, c.name, cmd)
	if err != nil {
		return m, "", fmt.Errorf("%w %s", err, strings.TrimSpace(outcome.String()))
	}
	found := c.rows.FindStringSubmatch(outcome.String())
	if found == nil {
		return m, "", fmt.Errorf("%s did not say how many rows it made: %.300s", c.name, outcome.String())
	}
	return m, found[1], nil
}

// printRace prints a line for each contender: how fast it was, and how many times faster our program was that
// logs as much.
func printRace(w io.Writer, contenders []contender, runs [][]measurement, events int) {
	ours := medianOfOurs(contenders, runs)
	fmt.Fprintf(w, "| %-32s | %10s | %9s | %9s | %10s | %9s |\n", "program", "events/s", "CPU s", "peak MB", "ours: rate", "memory")
	fmt.Fprintf(w, "|%s|%s:|%s:|%s:|%s:|%s:|\n", strings.Repeat("-", 34), strings.Repeat("-", 11), strings.Repeat("-", 10), strings.Repeat("-", 10), strings.Repeat("-", 11), strings.Repeat("-", 10))
	for i, c := range contenders {
		m := median(runs[i])
		rate, memory := "", ""
		if own, ok := ours[c.logs]; ok && !c.ours {
			rate = fmt.Sprintf("%.1f x", m.wall.Seconds()/own.wall.Seconds())
			memory = fmt.Sprintf("%.2f x", float64(own.peak)/float64(max(m.peak, 1)))
		}
		fmt.Fprintf(w, "| %-32s | %10.0f | %9.2f | %9.0f | %10s | %9s |\n", c.name, float64(events)/m.wall.Seconds(), m.cpu.Seconds(), float64(m.peak)/1e6, rate, memory)
	}
}
