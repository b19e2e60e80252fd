// Command gakushoku is the operator's tool and the local server of the canteen: it serves the
// whole system from one data folder, moves events in and out, rebuilds read models and finds
// what happened in the logs. The work is done in the packages under internal; here is what a
// person types and reads.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// collectLess lets garbage grow to four times what is kept, unless GOGC says otherwise. Bulk work
// keeps little and lets go of much, page by page: a tenth of its time is saved for some 60 MB.
func collectLess() {
	const percent = 400
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

func main() {
	keepToUser()
	// Whoever reads our output may leave (| head). Writing then fails with EPIPE, which ends a
	// command in order; the signal would end it on the spot, with files half written behind it.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// endings are the signals that end the program in order. A terminal that goes away is one, unless
// the program was started to outlive it (nohup).
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
