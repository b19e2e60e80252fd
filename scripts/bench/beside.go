package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// runBeside measures how a rebuild affects guests. It measures commands over HTTP and their projection lag
// while another process repeatedly rebuilds the read model of the same folder, and the same without rebuilds.
func runBeside(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("beside", flag.ContinueOnError)
	events := flags.Int("events", 500_000, "size of the log that is rebuilt")
	clients := flags.Int("clients", 8, "how many clients place and pay orders, as fast as they can")
	duration := flags.Duration("for", 10*time.Second, "how long each measurement takes, at least one rebuild")
	rounds := flags.Int("rounds", 3, "how often each is measured; the median counts")
	bin := flags.String("bin", "", "the gakushoku that rebuilds; built from the source when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *clients < 1 || *rounds < 1 {
		return fmt.Errorf("-clients %d, -rounds %d: at least 1 of each is needed", *clients, *rounds)
	}
	program, err := programToMeasure(ctx, *bin)
	if err != nil {
		return err
	}
	dir, err := filledFolder(ctx, program, *events)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(dir))
	server, err := serve(ctx, dir)
	if err != nil {
		return err
	}
	defer server.Stop() //nolint:errcheck // the measurements are done
	if err := caughtUp(ctx, program, dir); err != nil {
		return err
	}
	b := beside{program, dir, server.URL, *clients, *duration}
	var commands, lags [2][]load
	rebuilds := 0
	for round := range *rounds + 1 {
		for i, rebuilding := range []bool{false, true} {
			m, n, took, err := b.measure(ctx, rebuilding, fmt.Sprintf("%d-%d", round, i))
			if err != nil {
				return err
			}
			if round == 0 {
				continue // the first round creates files, connections and caches
			}
			rebuilds += n
			commands[i], lags[i] = append(commands[i], loadOf(m.commands, took)), append(lags[i], loadOf(m.lags, took))
		}
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(r.out, "%d clients, a log of %d events, %d rebuilds, median of %d\n\n", *clients, *events, rebuilds, *rounds)
	fmt.Fprintln(table, "\tcommands/s\tp50 ms\tp95 ms\tlag p50 ms\tlag p95 ms\t")
	var command, lag [2]load
	for i, name := range []string{"nothing is rebuilt", "while a rebuild runs"} {
		command[i], lag[i] = medianLoad(commands[i]), medianLoad(lags[i])
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", name, command[i].rate, command[i].p50, command[i].p95, lag[i].p50, lag[i].p95)
	}
	const baseline = "without a rebuild"
	r.add(figure{what: "commands while a rebuild runs", ours: command[1].rate, unit: "/s", baseline: baseline, theirs: command[0].rate})
	r.add(figure{what: "commands while a rebuild runs: p95", ours: command[1].p95, unit: "ms", baseline: baseline, theirs: command[0].p95, aim: below(aimCommandMs)})
	r.add(figure{what: "projection lag while a rebuild runs: p95", ours: lag[1].p95, unit: "ms", baseline: baseline, theirs: lag[0].p95, aim: below(aimLagMs)})
	return table.Flush()
}

// beside is a folder with guests and an operator.
type beside struct {
	program, dir, url string
	clients           int
	duration          time.Duration
}

// measure lets guests order for some time, and longer if a rebuild is still running. It returns the number of
// rebuilds and how long everything took.
func (b beside) measure(ctx context.Context, rebuilding bool, name string) (*measured, int, time.Duration, error) {
	started := time.Now()
	if !rebuilding {
		m, err := measureHTTP(ctx, namedServer{url: b.url}, b.clients, "beside-"+name, b.duration)
		return m, 0, time.Since(started), err
	}
	all := &measured{}
	rebuilds := 0
	for time.Since(started) < b.duration {
		cmd := exec.CommandContext(ctx, b.program, "--data", b.dir, "projection", "rebuild", "orders", "--json")
		ended := make(chan error, 1)
		go func() {
			_, err := measure(ctx, "rebuild", cmd)
			ended <- err
		}()
		var failure error
		for over := false; !over && failure == nil; {
			select {
			case failure = <-ended:
				over = true
				ended <- nil
			default:
				var m *measured
				m, failure = measureHTTP(ctx, namedServer{url: b.url}, b.clients, fmt.Sprintf("beside-%s-%d-%d", name, rebuilds, len(all.commands)), 500*time.Millisecond)
				all.commands, all.lags = append(all.commands, m.commands...), append(all.lags, m.lags...)
			}
		}
		if err := errors.Join(failure, <-ended); err != nil {
			return nil, rebuilds, 0, err
		}
		rebuilds++
	}
	return all, rebuilds, time.Since(started), nil
}

// caughtUpLimit is how long a server may take to apply what was imported.
const caughtUpLimit = 10 * time.Minute

// caughtUp waits until the server has applied every event of the folder.
func caughtUp(ctx context.Context, program, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, caughtUpLimit)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, program, "--data", dir, "projection", "status", "--json").Output()
		if err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("asking how far the server is: %w", err))
		}
		var status struct{ Head, Applied uint64 }
		if err := json.Unmarshal(out, &status); err != nil {
			return fmt.Errorf("reading how far the server is: %w", err)
		}
		if status.Applied >= status.Head {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server has applied %d of %d events: %w", status.Applied, status.Head, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
