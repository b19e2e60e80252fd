package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// runRebuild measures a rebuild as an operator runs it: from the log's segments to rows and totals of a new
// table version, verified and switched, step by step.
func runRebuild(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("rebuild", flag.ContinueOnError)
	sizes := flags.String("events", "1000000,5000000", "sizes of the logs, separated by commas")
	rounds := flags.Int("rounds", 3, "how often each is rebuilt; the median counts")
	bin := flags.String("bin", "", "the gakushoku to measure; built from the source when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 {
		return fmt.Errorf("-rounds %d: at least 1 is needed", *rounds)
	}
	program, err := programToMeasure(ctx, *bin)
	if err != nil {
		return err
	}
	return eachSize(*sizes, func(events int) error { return rebuildRounds(ctx, program, events, *rounds, r) })
}

// eachSize calls f with each of the sizes, which are separated by commas.
func eachSize(sizes string, f func(events int) error) error {
	for size := range strings.SplitSeq(sizes, ",") {
		events, err := strconv.Atoi(size)
		if err != nil || events < 1 {
			return fmt.Errorf("-events %s: %q is not a number of events", sizes, size)
		}
		if err := f(events); err != nil {
			return err
		}
	}
	return nil
}

// rebuilt has the fields of a run, as `projection rebuild --json` prints it, that are measured.
type rebuilt struct {
	Plan   struct{ Events, Bytes, Segments int64 }
	Replay struct {
		Rows        int64
		LargestPart int64 `json:"largestPartBytes"`
	}
	Took    map[string]int64 // milliseconds by step
	outside measurement
}

func rebuildRounds(ctx context.Context, program string, events, rounds int, report *report) error {
	dir, err := filledFolder(ctx, program, events)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(dir))
	var runs, alone []rebuilt
	for round := range rounds + 1 {
		fmt.Fprintf(os.Stderr, "%d events, rebuild %d of %d\n", events, round, rounds)
		r, err := rebuildOnce(ctx, program, dir)
		if err != nil {
			return err
		}
		one, err := rebuildOnce(ctx, program, dir, "--max-concurrency", "1")
		if err != nil {
			return err
		}
		if round > 0 { // the first round has archived the events
			runs, alone = append(runs, r), append(alone, one)
		}
	}
	printRebuild(runs, alone, report)
	return nil
}

func rebuildOnce(ctx context.Context, program, dir string, more ...string) (rebuilt, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append([]string{"--data", dir, "projection", "rebuild", "orders", "--json"}, more...)...)
	cmd.Stdout, cmd.Stderr = &out, nil
	m, err := measure(ctx, "rebuild", cmd)
	if err != nil {
		return rebuilt{}, err
	}
	r := rebuilt{outside: m}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("reading what the rebuild printed: %w", err)
	}
	return r, nil
}

// tookIn returns the median of what some steps took together, in milliseconds.
func tookIn(runs []rebuilt, steps ...string) int64 {
	var took []int64
	for _, r := range runs {
		sum := int64(0)
		for _, step := range steps {
			sum += r.Took[step]
		}
		took = append(took, sum)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// aimReplay and aimVerify are the aims in events per second.
const (
	aimReplay      = 600_000 // of up to a million events
	aimReplayLarge = 400_000
	aimVerify      = 300_000
	aimMemory      = 400 // MB, of the whole process
)

// filledFolder returns a data folder with this number of events, which are not archived yet.
func filledFolder(ctx context.Context, program string, events int) (string, error) {
	log, err := logOf(ctx, events)
	if err != nil {
		return "", err
	}
	parent, err := cacheDir("rebuild")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(parent, "data-")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "importing %d events\n", events)
	m, err := measure(ctx, "import", exec.CommandContext(ctx, program, "--data", filepath.Join(dir, "canteen"), "events", "import", log))
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	fmt.Printf("\nimport of %d events: %s, %.0f events/s\n", events, m.wall.Round(time.Millisecond), float64(events)/m.wall.Seconds())
	return filepath.Join(dir, "canteen"), nil
}

// printRebuild prints the medians of the steps that process events. The replay is only complete with its
// Collect, which builds the indexes.
func printRebuild(runs, alone []rebuilt, report *report) {
	first := runs[0]
	outside := make([]measurement, len(runs))
	for i, r := range runs {
		outside[i] = r.outside
	}
	whole := median(outside)
	var replayAim, verifyAim aim // only for logs so large that startup and shutdown do not matter
	switch {
	case first.Plan.Events > 1_000_000:
		replayAim, verifyAim = above(aimReplayLarge), above(aimVerify)
	case first.Plan.Events == 1_000_000:
		replayAim, verifyAim = above(aimReplay), above(aimVerify)
	}
	fmt.Printf("%d events in %d segments (%.0f MB), %d rows, median of %d\n\n", first.Plan.Events, first.Plan.Segments, float64(first.Plan.Bytes)/1e6, first.Replay.Rows, len(runs))
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "step\tms\tevents/s\t")
	for _, s := range []struct {
		name  string
		steps []string
		aim   aim
	}{
		{"plan", []string{"Plan"}, aim{}}, {"replay, indexes included", []string{"Replay", "Collect"}, aim{}}, {"of these, replay", []string{"Replay"}, replayAim},
		{"catch up", []string{"CatchUp"}, aim{}}, {"verify", []string{"StartVerify", "VerifyParts", "Verify"}, verifyAim},
	} {
		middle := tookIn(runs, s.steps...)
		perSecond := float64(first.Plan.Events) / max(float64(middle), 1) * 1000
		fmt.Fprintf(table, "%s\t%d\t%.0f\t\n", s.name, middle, perSecond)
		if middle == 0 {
			continue // the step had nothing to do
		}
		report.add(figure{what: fmt.Sprintf("%d events: %s", first.Plan.Events, s.name), ours: perSecond, unit: "events/s", aim: s.aim})
	}
	replay, byOne := tookIn(runs, "Replay"), tookIn(alone, "Replay")
	fmt.Fprintf(table, "replay, with one worker\t%d\t%.0f\t\n", byOne, float64(first.Plan.Events)/max(float64(byOne), 1)*1000)
	report.add(figure{
		what: fmt.Sprintf("%d events: replay, as many workers as processors", first.Plan.Events), unit: "events/s", baseline: "one worker",
		ours: float64(first.Plan.Events) / max(float64(replay), 1) * 1000, theirs: float64(first.Plan.Events) / max(float64(byOne), 1) * 1000,
	})
	fmt.Fprintf(table, "whole program\t%d\t\t\n", whole.wall.Milliseconds())
	table.Flush()
	fmt.Printf("\npeak memory %.0f MB, the rows of the largest part %.0f MB\n", float64(whole.peak)/1e6, float64(first.Replay.LargestPart)/1e6)
	report.add(figure{what: fmt.Sprintf("%d events: peak memory of a rebuild", first.Plan.Events), ours: float64(whole.peak) / 1e6, unit: "MB", aim: below(aimMemory)})
}
