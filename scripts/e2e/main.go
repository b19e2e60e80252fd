// Command e2e deploys the system to an AWS emulator in the usual way (sam build, sam deploy) and has guests
// order and pay over HTTP at a steady rate. Meanwhile a read model is damaged by hand and rebuilt, a rebuild
// is stopped halfway, one meets a poison event, one is rolled back, and one request's trace is followed from
// its POST to the row. It fails if a request fails, if a response is staler than allowed, or if rows, log and
// events do not agree in the end.
//
//	e2e [flags]        against the emulator at $AWS_ENDPOINT_URL (http://localhost:4566)
//
// If no emulator responds, EMULATOR_UP may name a program that starts one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"gakushoku/internal/observe"
)

func main() {
	o := options{}
	only := flag.String("run", "", "run only the scenarios whose names this regular expression matches")
	flag.StringVar(&o.sam, "sam", "sam", "the SAM command")
	flag.BoolVar(&o.built, "built", false, "deploy what sam build has left, instead of building it")
	flag.StringVar(&o.stack, "stack", "", "use this stack, and do not deploy it when it is there; otherwise a new one with a name of its own")
	flag.Float64Var(&o.rate, "rate", 6, "how many commands the guests send in a second")
	flag.IntVar(&o.guests, "guests", 3, "how many guests there are at a time")
	flag.BoolVar(&o.verbose, "v", false, "show what sam says")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "e2e: it takes flags only; see e2e -help")
		os.Exit(2)
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: -run:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("e2e: all is well")
}

// options are the flags.
type options struct {
	sam     string
	built   bool
	stack   string
	rate    float64
	guests  int
	verbose bool
	only    *regexp.Regexp
}

// run deploys the system and runs the scenarios.
func run(ctx context.Context, o options) error {
	found, err := findEmulator(ctx)
	if err != nil {
		return err
	}
	fresh := o.stack == ""
	if fresh {
		o.stack = "e2e-" + strings.ToLower(observe.NewID()[16:])
	}
	d, err := deploy(ctx, o, found, fresh)
	if err != nil {
		return err
	}
	c, err := openCanteen(ctx, o, found.endpoint, d)
	if err != nil {
		return err
	}
	err = c.runAll(ctx)
	if err == nil && fresh {
		err = d.remove(ctx)
	}
	return err
}

// say prints what is being done, with the time.
func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// errInterrupted is returned by a wait that the caller interrupted.
var errInterrupted = errors.New("interrupted")
