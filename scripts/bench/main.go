// Command bench measures gakushoku and other programs that do the same job, in one run and on one machine,
// since a figure without a baseline says little.
//
//	go run ./scripts/bench all            every suite, then one table
//	go run ./scripts/bench SUITE [flags]  one suite
//
// A suite is one file of this package and one entry in the list below. If a baseline needs something that is
// missing (Node, Python, Java), bench says how to get it, and continues with the rest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// suite is one thing to measure.
type suite struct {
	name  string
	about string
	run   func(ctx context.Context, args []string, r *report) error
	quick []string // flags for a run of a few seconds that checks that the suite works
}

// tool reports whether a suite measures nothing and is not part of all.
func (s suite) tool() bool { return s.quick == nil }

func suites() []suite {
	return []suite{
		{"gen", "write a log of made-up events", runGen, nil},
		{"reproject", "replay a log into the orders read model, beside Node and DuckDB", runReproject, []string{"-events=100000", "-rounds=1"}},
		{"appends", "durable appends, embedded and on DynamoDB Local", runAppends, []string{"-for=300ms", "-rounds=1"}},
		{"http", "commands over HTTP and projection lag, beside a server that stores nothing", runHTTP, []string{"-for=300ms", "-rounds=1"}},
		{"checkout", "whole checkouts by card over HTTP, beside orders without one", runCheckout, []string{"-for=300ms", "-rounds=1"}},
		{"units", "write units of an order's life: by AWS's rules, and as DynamoDB Local counts them", runUnits, []string{}},
		{"long", "a command on a long stream, with its state at hand and in a process that has just started", runLong, []string{"-samples=3", "-most=1000"}},
		{"coldstart", "start and size of each function beside a bare handler", runColdStart, []string{"-rounds=3"}},
		{"observe", "what metrics and traces cost, commands and replays", runObserve, []string{"-commands=100", "-events=100000", "-rounds=1"}},
		{"rebuild", "the shadow rebuild, step by step", runRebuild, []string{"-events=100000", "-rounds=1"}},
		{"beside", "commands over HTTP while a rebuild runs, beside the same without one", runBeside, []string{"-events=20000", "-for=1s", "-rounds=1"}},
		{"bulk", "rows of a rebuild, and their write units, on DynamoDB Local", runBulk, []string{"-rows=2000", "-rounds=1"}},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usage()
	}
	r := &report{out: os.Stdout, complain: os.Stderr}
	if args[0] == "all" {
		return runAll(ctx, args[1:], r)
	}
	for _, s := range suites() {
		if s.name != args[0] {
			continue
		}
		if err := r.measure(ctx, s, args[1:]); err != nil {
			return err
		}
		r.summary()
		return nil
	}
	return usage()
}

func usage() error {
	fmt.Fprintln(os.Stderr, "usage: go run ./scripts/bench all [-quick]\n       go run ./scripts/bench SUITE [flags]; SUITE -h lists the flags")
	for _, s := range suites() {
		fmt.Fprintf(os.Stderr, "  %-10s %s\n", s.name, s.about)
	}
	return errors.New("name one suite, or all")
}

// runAll runs every suite, even if one fails.
func runAll(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("all", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "only see that everything works, in a minute or two; the figures mean little")
	if err := flags.Parse(args); err != nil {
		return helped(err)
	}
	var failures []error
	for _, s := range suites() {
		if s.tool() || ctx.Err() != nil {
			continue
		}
		var flags []string
		if *quick {
			flags = s.quick
		}
		if err := r.measure(ctx, s, flags); err != nil {
			r.leaveOut(s.name, err)
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	r.summary()
	return errors.Join(append(failures, ctx.Err())...)
}

// helped returns nil for the error of -h.
func helped(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}
