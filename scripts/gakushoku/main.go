// Command gakushoku is the operator's tool and the local server of the canteen: it serves the whole system
// from one data folder, imports and exports events, rebuilds read models and searches the logs. The packages
// under internal do the work; this one is the command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// collectLess lets the heap grow to five times the live data before a collection, unless GOGC is
// set. Bulk work discards its data page by page: this saves a tenth of its time for some 60 MB.
func collectLess() {
	const percent = 400
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

func main() {
	keepToUser()
	// The reader of our output may end early (| head). Writing then fails with EPIPE, and the command ends in
	// an orderly way; the signal would end it at once and leave half-written files.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// endings lists the signals that end the program in an orderly way. A closed terminal is one, unless the
// program was started to outlive it (nohup).
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
