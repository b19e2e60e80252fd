// Command bench measures gakushoku beside other programs that do the same job, in one run
// and on one machine, since a figure without a baseline says little.
//
//	go run ./scripts/bench SUITE [flags]
//
// A suite is one file of this package and one entry of the list below.
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
	run   func(ctx context.Context, args []string) error
}

func suites() []suite {
	return []suite{
		{"gen", "write a log of made-up events", runGen},
		{"http", "commands over HTTP and projection lag, embedded", runHTTP},
		{"appends", "durable appends, embedded and on DynamoDB Local", runAppends},
		{"units", "write units of an order's life on DynamoDB Local", runUnits},
		{"coldstart", "start and size of each function beside a bare handler", runColdStart},
		{"reproject", "replay a log into the orders read model, beside Node and DuckDB", runReproject},
		{"rebuild", "the shadow rebuild, step by step", runRebuild},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		for _, s := range suites() {
			if s.name == args[0] {
				if err := s.run(ctx, args[1:]); !errors.Is(err, flag.ErrHelp) {
					return err
				}
				return nil
			}
		}
	}
	fmt.Fprintln(os.Stderr, "usage: go run ./scripts/bench SUITE [flags]; SUITE -h lists the flags")
	for _, s := range suites() {
		fmt.Fprintf(os.Stderr, "  %-10s %s\n", s.name, s.about)
	}
	return errors.New("name one suite")
}
